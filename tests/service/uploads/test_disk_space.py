"""MAX_SPOOL_BYTES is shared fairly, MIN_FREE_DISK_BYTES kept; ended uploads free their space."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.errors import InsufficientResources
from models.settings import Settings
from service.app import create_app
from service.http import request_body
from service.http.request_body import form_limit
from service.uploads.disk_space import DISK_SPACE
from tests.conftest import Client
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images
from tests.support.api_key_clients import KeyedService

HEAD = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
CLOSING = b"\r\n--x--\r\n"
MIB = 1024 * 1024
MAX_BYTES = 4 * MIB
IMAGE = images.png() + bytes(MAX_BYTES * 3 // 4)


class PausedUpload:
    """An upload that pauses in the middle until ``rest`` is set: its remaining bytes, or None."""

    def __init__(
        self, client: Client, start: bytes = PART + IMAGE, head: dict[str, str] | None = None
    ) -> None:
        self._start = start
        self.started = asyncio.Event()
        self.rest: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.response_task = asyncio.ensure_future(
            client.post("/thumbnail", data=self._body(), headers=HEAD | (head or {}))
        )

    async def _body(self) -> AsyncIterator[bytes]:
        yield self._start
        self.started.set()
        rest = await self.rest
        if rest is None:
            raise ConnectionError("the client disconnected")
        yield rest


def spooled(client: Client) -> int:
    app: Any = client.app
    return int(app[DISK_SPACE].spooled_bytes)


async def start_filling_upload(
    aiohttp_client: Any, settings: Settings
) -> tuple[Client, PausedUpload]:
    """Return a service whose spool is almost full, and the paused upload that fills it."""
    tight = {
        "max_upload_bytes": MAX_BYTES,
        "max_batch_bytes": MAX_BYTES,
        "max_spool_bytes": 1,
    }
    client: Client = await limited(aiohttp_client, settings, **tight)
    sent = PausedUpload(client)
    await until_spooled(client, len(PART + IMAGE))
    return client, sent


async def until_spooled(client: Client, count: int) -> None:
    while spooled(client) < count:
        await asyncio.sleep(0.01)


async def test_concurrent_uploads_share_the_spool_limit(
    aiohttp_client: Any, settings: Settings
) -> None:
    client, sent = await start_filling_upload(aiohttp_client, settings)
    limit = MAX_BYTES + form_limit(100, settings.uploads)[2]
    for path in ("/thumbnail", "/process", "/convert/", "/convert"):
        field = "uploaded_file" if path == "/convert/" else "image"
        whole = io.BytesIO(PART.replace(b"image", field.encode()) + IMAGE + CLOSING)
        response = await client.post(path, data=whole, headers=HEAD)
        body = await refused(response, 503, "no_room")
        assert (body["setting"], body["limit"]) == ("MAX_SPOOL_BYTES", limit)
        assert body["limit"] < body["measured"] <= 2 * len(whole.getvalue())
        assert response.headers["Retry-After"] == str(body["retry_after"])
        assert response.headers["Connection"] == "close"
        assert spooled(client) == len(PART + IMAGE)  # the refused upload freed its bytes
    small = images.form(images.png(), "b.png")
    assert (await client.post("/thumbnail", data=small)).status == 202
    sent.rest.set_result(CLOSING)
    assert (await sent.response_task).status == 202
    assert spooled(client) == 0


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"", 400),  # no closing boundary
        (b"\r\n--x\r\nno header\r\n\r\n--x--", 400),
        (b"\r\n" + PART + bytes(MAX_BYTES) + CLOSING, 413),
        (b'\r\n--x\r\nContent-Disposition: form-data; name="width"\r\n\r\n0' + CLOSING, 422),
        (None, 0),
    ],
)
async def test_spool_bytes_are_freed_however_a_request_ends(
    aiohttp_client: Any, settings: Settings, rest: bytes | None, status: int
) -> None:
    client, sent = await start_filling_upload(aiohttp_client, settings)
    sent.rest.set_result(rest)
    if status:
        assert (await sent.response_task).status == status
    else:
        await asyncio.gather(sent.response_task, return_exceptions=True)
    while spooled(client):
        await asyncio.sleep(0.01)


async def test_spool_bytes_of_a_stalled_upload_are_freed(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "_GRACE_SHARE", 0.01)  # its first bytes may be late
    client: Client = await limited(aiohttp_client, settings, upload_stall_timeout=0.2)
    app: Any = client.app
    reserve, counts = app[DISK_SPACE].reserve, list[int]()

    def noted(holder: str, count: int) -> None:
        counts.append(count)
        reserve(holder, count)

    monkeypatch.setattr(app[DISK_SPACE], "reserve", noted)
    await refused(await PausedUpload(client).response_task, 408, "too_slow")
    assert max(counts) > 0 and spooled(client) == 0


@pytest.mark.parametrize("identity", ["X-Forwarded-For", "Authorization"])
async def test_one_client_leaves_room_for_others(
    aiohttp_client: Any, settings: Settings, identity: str
) -> None:
    keyed = identity == "Authorization"
    limits = {"max_batch_bytes": MAX_BYTES, "max_spool_bytes": 4 * MAX_BYTES, "proxies": 1}
    client = await limited(
        aiohttp_client, settings, **limits, api_keys="on" if keyed else "off", rate_limits="off"
    )
    greedy, other = "10.0.0.1", "10.0.0.2"
    if keyed:
        keys = KeyedService(client, settings)
        greedy, other = [(await keys.key()).headers[identity] for _ in range(2)]
    sent = []
    for _ in range(2):
        sent.append(PausedUpload(client, head={identity: greedy}))
        await until_spooled(client, len(sent) * len(PART + IMAGE))
    refusal = await PausedUpload(client, head={identity: greedy}).response_task
    body = await refused(refusal, 503, "no_room")
    assert "your uploads in progress" in body["detail"]
    assert (body["setting"], body["limit"]) == ("MAX_SPOOL_BYTES", 2 * MAX_BYTES)
    for _ in range(3):
        whole = io.BytesIO(PART + IMAGE + CLOSING)
        response = await client.post("/thumbnail", data=whole, headers=HEAD | {identity: other})
        assert response.status == 202, await response.text()
    for each in sent:
        each.rest.set_result(CLOSING)
        assert (await each.response_task).status == 202
    assert spooled(client) == 0


async def test_what_others_hold_leaves_each_client_a_submission(
    client: Client, settings: Settings
) -> None:
    app: Any = client.app
    space = app[DISK_SPACE]
    one = sum(form_limit(100, settings.uploads)[::2])
    pot = settings.uploads.max_spool_bytes
    space.reserve("a", pot // 2)
    space.reserve("b", one)
    for each in "ab":
        with pytest.raises(InsufficientResources, match="your uploads"):
            space.reserve(each, 1)
    space.reserve("c", pot - pot // 2 - one)
    with pytest.raises(InsufficientResources, match="the uploads in progress"):
        space.reserve("c", 1)
    for each, count in (("a", pot // 2), ("b", one), ("c", pot - pot // 2 - one)):
        space.reserve(each, -count)
    assert space.spooled_bytes == 0


@pytest.mark.parametrize(
    "junk",
    [
        b"GIF89a" + bytes(MIB),
        images.png() + CLOSING + bytes(MIB),
    ],
    ids=["no-picture", "behind-the-form"],
)
async def test_junk_counts_as_long_as_it_arrives(client: Client, junk: bytes) -> None:
    sent = PausedUpload(client, PART + junk)
    await until_spooled(client, len(PART + junk))
    sent.rest.set_result(CLOSING)
    await sent.response_task
    assert spooled(client) == 0


async def test_upload_ends_when_the_disk_fills_up(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Client = await aiohttp_client(create_app(settings))
    free = 10 * settings.uploads.min_free_disk_bytes

    async def measured() -> dict[str, int]:
        return {"the service": free}

    app: Any = client.app
    app[DISK_SPACE].free_space._disks = measured
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield PART + images.png() + bytes(5 * MIB)
        await more.wait()
        yield bytes(5 * MIB)
        await asyncio.Event().wait()

    sent = asyncio.ensure_future(client.post("/thumbnail", data=body(), headers=HEAD))
    while spooled(client) < 5 * MIB:
        await asyncio.sleep(0.01)
    free = settings.uploads.min_free_disk_bytes - 1
    more.set()
    problem = await refused(await sent, 503, "no_room")
    assert (problem["setting"], problem["measured"]) == ("MIN_FREE_DISK_BYTES", free)
    assert spooled(client) == 0
