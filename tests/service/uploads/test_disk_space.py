"""Room for pictures on their way: looked at while they come, and given back however they end."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.settings import Settings
from service import ttl_cache
from service.app import create_app
from service.ttl_cache import TTLCache
from service.uploads.disk_space import DISK_SPACE
from tests.conftest import Client
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images

HEAD = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
END = b"\r\n--x--\r\n"
MIB = 1024 * 1024
MOST = 2 * MIB
SHARE = images.png() + bytes(MOST * 3 // 4)


class Sent:
    """A submission that is held in the middle until ``rest`` says how it goes on."""

    def __init__(self, client: Client, path: str = "/thumbnail") -> None:
        self.arriving = asyncio.Event()
        self.rest: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.answer = asyncio.ensure_future(client.post(path, data=self._body(), headers=HEAD))

    async def _body(self) -> AsyncIterator[bytes]:
        yield PART + SHARE
        self.arriving.set()
        rest = await self.rest
        if rest is None:
            raise ConnectionError("the client went away")
        yield rest


def spooled(client: Client) -> int:
    app: Any = client.app
    return int(app[DISK_SPACE].spooled_bytes)


async def full(aiohttp_client: Any, settings: Settings, **update: Any) -> tuple[Client, Sent]:
    """Return a service whose room is all but taken, and the submission that has it."""
    tight = {"max_upload_bytes": MOST, "max_batch_bytes": MOST, "max_spool_bytes": 1, **update}
    client: Client = await limited(aiohttp_client, settings, **tight)
    sent = Sent(client)
    while spooled(client) < len(SHARE):
        await asyncio.sleep(0.01)
    return client, sent


async def test_all_that_arrive_share_one_bound(aiohttp_client: Any, settings: Settings) -> None:
    client, sent = await full(aiohttp_client, settings)
    for path in ("/thumbnail", "/process", "/convert/", "/convert"):
        field = "uploaded_file" if path == "/convert/" else "image"
        whole = io.BytesIO(PART.replace(b"image", field.encode()) + SHARE + END)
        response = await client.post(path, data=whole, headers=HEAD)
        body = await refused(response, 503, "no_room")
        assert (body["setting"], body["limit"]) == ("MAX_SPOOL_BYTES", MOST)
        assert body["limit"] < body["measured"] <= 2 * len(SHARE)
        assert response.headers["Retry-After"] == str(body["retry_after"])
        assert response.headers["Connection"] == "close"
        assert spooled(client) == len(SHARE)  # what the refused one had is given back
    small = images.form(images.png(), "b.png")
    assert (await client.post("/thumbnail", data=small)).status == 202
    sent.rest.set_result(END)
    assert (await sent.answer).status == 202
    assert spooled(client) == 0


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"", 400),  # no closing boundary
        (b"\r\n--x\r\nno header\r\n\r\n--x--", 400),
        (b"\r\n" + PART + bytes(MOST) + END, 413),
        (b'\r\n--x\r\nContent-Disposition: form-data; name="width"\r\n\r\n0' + END, 422),
        (None, 0),
    ],
)
async def test_it_is_given_back_however_a_request_ends(
    aiohttp_client: Any, settings: Settings, rest: bytes | None, status: int
) -> None:
    client, sent = await full(aiohttp_client, settings)
    sent.rest.set_result(rest)
    if status:
        assert (await sent.answer).status == status
    else:
        await asyncio.gather(sent.answer, return_exceptions=True)
    while spooled(client):
        await asyncio.sleep(0.01)


async def test_it_is_given_back_by_who_stalls(aiohttp_client: Any, settings: Settings) -> None:
    client, sent = await full(aiohttp_client, settings, upload_stall_timeout=0.2)
    await refused(await sent.answer, 408, "too_slow")
    assert spooled(client) == 0


async def test_a_disk_that_fills_up_ends_what_is_arriving(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ttl_cache, "_DEFAULT_TTL_SECONDS", 0)
    client: Client = await aiohttp_client(create_app(settings))
    free = 10 * settings.min_free_disk_bytes

    async def measured() -> tuple[str, int]:
        return "the service", free

    app: Any = client.app
    app[DISK_SPACE]._least_free = TTLCache(measured)
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield PART + images.png() + bytes(5 * MIB)
        await more.wait()
        yield bytes(5 * MIB)
        await asyncio.Event().wait()

    sent = asyncio.ensure_future(client.post("/thumbnail", data=body(), headers=HEAD))
    while spooled(client) < 5 * MIB:
        await asyncio.sleep(0.01)
    free = settings.min_free_disk_bytes - 1
    more.set()
    told = await refused(await sent, 503, "no_room")
    assert (told["setting"], told["measured"]) == ("MIN_FREE_DISK_BYTES", free)
    assert spooled(client) == 0
