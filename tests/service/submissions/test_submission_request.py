"""Submissions of several images: one task for each, one group for all."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import psutil
import pytest

from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.events.long_poll import COMPLETION_WAITER, CompletionWaiter
from service.http.request_body import Pace
from tests.conftest import working
from tests.service.uploads.test_incoming_file import drip, limited, refused
from tests.support import images

CAT, DOG = images.png(40, 30, seed=1), images.jpeg(50, 20, seed=2)


def form(files: Sequence[tuple[str, bytes]], field: str = "image", **fields: Any) -> Any:
    import aiohttp

    form_data = aiohttp.FormData(default_to_multipart=True)
    for key, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            form_data.add_field(key, each)
    for name, data in files:
        form_data.add_field(field, data, filename=name)
    return form_data


TWO = [("cat.png", CAT), ("dog.jpg", DOG)]


async def test_two_images_become_a_group(client: Any, settings: Settings) -> None:
    response = await client.post("/grayscale", data=form(TWO))
    body = await response.json()
    assert response.status == 202
    assert response.headers["Location"] == f"/status/{body['group_id']}"
    assert (body["status"], body["total"], body["done"], body["failed"]) == ("CREATED", 2, 0, 0)
    assert (body["progress"], body["eta_seconds"], body["archive_url"]) == (0, None, None)
    assert [task["name"] for task in body["tasks"]] == ["cat.png", "dog.jpg"]
    assert {task["group_id"] for task in body["tasks"]} == {body["group_id"]}
    async with working(settings):
        done = await (await client.get(f"/status/{body['group_id']}?wait=30")).json()
    assert (done["status"], done["total"], done["done"]) == ("SUCCESS", 2, 2)
    assert (done["progress"], done["eta_seconds"]) == (100, 0)
    assert [task["url"] for task in done["tasks"]] == [
        "/processed/cat-grayscale.png",
        "/processed/dog-grayscale.jpg",
    ]
    assert done["archive_url"] == f"/status/{body['group_id']}/archive"
    single = await (await client.get(f"/tasks/{done['tasks'][0]['task_id']}")).json()
    assert single["group_id"] == single["task_id"]


async def test_task_id_is_the_id_of_a_group_of_one(client: Any) -> None:
    task = await (await client.post("/grayscale", data=form(TWO[:1]))).json()
    assert task["group_id"] == task["task_id"]
    group = await (await client.get(f"/status/{task['group_id']}")).json()
    assert (group["group_id"], group["total"]) == (task["task_id"], 1)
    assert group["tasks"][0] == task


@pytest.mark.parametrize("field", ["images", "images[]", "file", "files"])
async def test_aliases_of_the_image_field(client: Any, field: str) -> None:
    assert (await client.post("/blur", data=form(TWO, field))).status == 202


async def test_refused_image_does_not_fail_the_others(client: Any, settings: Settings) -> None:
    bad = [("notes.txt", b"no picture at all"), ("cut.png", CAT[:30]), ("empty.png", b"")]
    response = await client.post("/grayscale", data=form([*bad, *TWO]))
    body = await response.json()
    assert (response.status, body["total"], body["done"], body["failed"]) == (202, 5, 3, 3)
    assert [t["status"] for t in body["tasks"]] == ["FAILURE"] * 3 + ["CREATED"] * 2
    assert [t["error"] and t["error"]["code"] for t in body["tasks"]] == [
        "unsupported_format",
        "bad_image",
        "bad_request",
        None,
        None,
    ]
    assert body["tasks"][0]["task_id"] is None
    async with working(settings):
        done = await (await client.get(f"/status/{body['group_id']}?wait=30")).json()
    assert (done["status"], done["done"], done["failed"]) == ("FAILURE", 5, 3)
    assert done["archive_url"]


async def test_error_lists_all_images_when_all_are_refused(client: Any) -> None:
    bad = [("a.txt", b"no picture at all"), ("b.png", CAT[:30])]
    body = await refused(await client.post("/grayscale", data=form(bad)), 415, "unsupported_format")
    assert [(each["name"], each["code"]) for each in body["refused"]] == [
        ("a.txt", "unsupported_format"),
        ("b.png", "bad_image"),
    ]


async def test_resubmission_computes_only_new_images(
    client: Any, settings: Settings, store: Store
) -> None:
    async with working(settings):
        first = await (await client.post("/grayscale?wait=30", data=form(TWO))).json()
        again = await client.post("/grayscale", data=form(TWO))
        assert again.status == 200
        assert (await again.json())["group_id"] == first["group_id"]
        fox = ("fox.png", images.png(seed=3))
        more = await (await client.post("/grayscale?wait=30", data=form([*TWO, fox]))).json()
    assert more["group_id"] != first["group_id"]
    assert [t["task_id"] for t in more["tasks"][:2]] == [t["task_id"] for t in first["tasks"]]
    tasks = await store.tasks.get_many([t["task_id"] for t in more["tasks"]])
    assert {task.attempts for task in tasks.values()} == {1}


async def test_equal_images_share_a_task_and_equal_names_do_not_clash(
    client: Any, settings: Settings
) -> None:
    files = [("cat.png", CAT), ("cat.png", CAT), ("cat.png", DOG)]
    async with working(settings):
        body = await (await client.post("/grayscale?wait=30", data=form(files))).json()
    ids = [task["task_id"] for task in body["tasks"]]
    assert ids[0] == ids[1] != ids[2]
    assert body["tasks"][2]["url"] != body["tasks"][0]["url"]


async def test_max_batch(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_batch=2)
    assert (await client.post("/grayscale", data=form(TWO))).status == 202
    three = form([*TWO, ("fox.png", CAT)])
    body = await refused(await client.post("/grayscale", data=three), 400, "bad_request")
    assert (body["setting"], body["limit"]) == ("MAX_BATCH", 2)


async def test_batch_of_a_hundred_images(client: Any) -> None:
    files = [(f"{n}.png", images.png(8, 8, seed=n)) for n in range(100)]
    body = await (await client.post("/grayscale", data=form(files))).json()
    assert body["total"] == 100
    assert len({task["task_id"] for task in body["tasks"]}) == 100
    files.append(("one more.png", CAT))
    response = await client.post("/grayscale", data=form(files))
    assert (await refused(response, 400, "bad_request"))["setting"] == "MAX_BATCH"


async def test_max_upload_bytes_and_max_batch_bytes(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    max_bytes = max(len(CAT), len(DOG))
    client = await limited(aiohttp_client, settings, max_upload_bytes=max_bytes)
    assert (await client.post("/grayscale", data=form(TWO))).status == 202
    long = ("long.png", CAT + bytes(max_bytes))
    body = await refused(await client.post("/grayscale", data=form([*TWO, long])), 413, "too_large")
    assert (body["setting"], body["limit"]) == ("MAX_UPLOAD_BYTES", max_bytes)
    assert "'long.png'" in body["detail"]
    monkeypatch.setattr("service.http.request_body.MAX_FIELD_BYTES", 1)
    small = await limited(aiohttp_client, settings, max_batch_bytes=1000)
    many = form([(f"{n}.png", images.png(200, 200, seed=n)) for n in range(12)])
    body = await refused(await small.post("/grayscale", data=many), 413, "too_large")
    assert (body["setting"], body["limit"]) == ("MAX_BATCH_BYTES", 1000)


async def test_legacy_status(aiohttp_client: Any, settings: Settings, store: Store) -> None:
    client = await limited(aiohttp_client, settings, legacy_status=True)
    task = await (await client.post("/upscale", data=form(TWO[:1]))).json()
    assert task["status"] == "CREATED"
    await store.leases.claim(task["task_id"], worker="w", token="t", seconds=9, max_attempts=3)
    for path in ("tasks", "status"):
        body = await (await client.get(f"/{path}/{task['task_id']}")).json()
        assert body["status"] == "PENDING"


async def test_operations_are_listed_with_their_schema(client: Any) -> None:
    response = await client.get("/operations", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    listed = (await response.json())["operations"]
    plain = await client.get("/operations", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers and plain.headers["Vary"] == "Accept-Encoding"
    by_name = {each["op"]: each for each in listed}
    assert set(by_name) >= {"upscale", "grayscale", "blur", "thumbnail", "resize", "split"}
    blur = by_name["blur"]["parameters"]["properties"]
    assert all(each["description"] for each in blur.values())
    assert (blur["kernel"]["minimum"], blur["kernel"]["maximum"]) == (0, 255)
    assert by_name["split"]["results"] == 4
    assert by_name["resize"]["shorthand"] == "resize=<scale>"
    assert {"model": "darkroom-fast", "scale": 2}.items() <= by_name["upscale"]["models"][0].items()
    for each in listed:
        assert each["summary"].endswith(".")
        answer = await client.post(each["route"], data=b"")
        assert answer.status == 400, each["route"]


async def test_long_poll_of_a_group_reads_it_once_all_have_ended(
    settings: Settings, store: Store, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.store.tasks.tasks import Groups

    opened = asyncio.Event()  # the change stream: requests that wait then read again
    monkeypatch.setattr(CompletionWaiter, "on_missed_changes", lambda _: opened.set())
    client = await aiohttp_client(create_app(settings))
    await opened.wait()
    files = [(f"{n}.png", images.png(8, 8, seed=n)) for n in range(20)]
    body = await (await client.post("/grayscale", data=form(files))).json()
    reads = 0
    find = Groups.find

    async def counting_find(self: Groups, *asked: Any) -> Any:
        nonlocal reads
        reads += 1
        return await find(self, *asked)

    monkeypatch.setattr(Groups, "find", counting_find)
    waiting: Any = asyncio.ensure_future(client.get(f"/status/{body['group_id']}?wait=30"))
    while body["tasks"][0]["task_id"] not in client.app[COMPLETION_WAITER]._waiters:
        await asyncio.sleep(0.01)
    assert reads <= 2  # once to learn the tasks, once after it has begun to wait for them
    for task in body["tasks"]:
        await store.leases.claim(task["task_id"], worker="w", token="t", seconds=9, max_attempts=3)
        await store.leases.fail(task["task_id"], "t", {"code": "bad_image", "detail": "broken"})
    done = await (await waiting).json()
    assert (done["done"], done["status"]) == (20, "FAILURE")
    assert reads <= 3


async def test_many_parts_use_one_spool_file(client: Any) -> None:
    """A stalled upload of a hundred parts must not use a file descriptor for each."""
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    before = psutil.Process().num_fds()
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    arrived, stop = asyncio.Event(), asyncio.Event()

    async def body() -> Any:
        yield (part + CAT + b"\r\n") * 100
        arrived.set()
        await stop.wait()
        yield b"--x--\r\n"

    waiting: Any = asyncio.ensure_future(client.post("/grayscale", data=body(), headers=head))
    await arrived.wait()
    await client.get("/healthz")
    assert psutil.Process().num_fds() - before < 20
    stop.set()
    answer = await (await waiting).json()
    assert answer["total"] == 100
    assert len({task["task_id"] for task in answer["tasks"]}) == 1


async def test_upload_timeout_applies_per_image(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, missing = Pace.read, 0

    async def read_what_was_sent(self: Pace, content: Any, until: float) -> bytes:
        """Be late only with what never comes."""
        nonlocal missing
        data = await read(self, content, math.inf if missing else until)
        missing -= len(data)
        return data

    monkeypatch.setattr(Pace, "read", read_what_was_sent)
    client = await limited(aiohttp_client, settings, upload_timeout=0.2, upload_stall_timeout=360)
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    never = asyncio.Event()
    for count, limit in ((1, 0.2), (3, pytest.approx(0.6))):
        sent = (start + CAT + b"\r\n") * count
        missing = len(sent)
        response = await drip(client, [sent], never, "/grayscale")
        body = await refused(response, 408, "too_slow")
        assert body["limit"] == limit


async def test_group_expires_after_group_ttl(store: Store, settings: Settings) -> None:
    await store.groups.create("g", [], "ada@example.org")
    found = await store._database["groups"].find_one({"_id": "g"})
    assert found is not None
    kept = (found["expires_at"] - found["created_at"]).total_seconds()
    assert kept == settings.retention.group_ttl
    indexes = await store._database["groups"].index_information()
    assert indexes["expires_at_1"]["expireAfterSeconds"] == 0
