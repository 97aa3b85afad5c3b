"""GET /status/<id>/archive: entry names, contents, memory use, failures while streaming."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from bson import ObjectId

from models.settings import Settings
from models.store import Store
from models.tasks.group import Group, Member, group_progress
from models.tasks.task import Result, Status, Task, Upload
from models.tasks.zip_archive import FAILURES_FILE, GroupArchive, _free_name, archive_entries
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form
from tests.service.uploads.test_incoming_file import refused
from tests.support import images
from tests.workers.queue.test_jobs import wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def task(number: int, *names: str, size: int = 10, **changes: Any) -> Task:
    made = Task(
        id=f"{number:032x}",
        fingerprint=f"{number:064x}",
        status=Status.SUCCESS,
        original_id=ObjectId(),
        original_sha256="0",
        uploads=[Upload(name="cat.png", results=list(names))],
        operations=[],
        format="png",
        results=[
            Result(file_id=ObjectId(), format="png", width=1, height=1, bytes=size, sha256="0")
            for _ in names
        ],
        created_at=NOW,
        finished_at=NOW,
    )
    return made.model_copy(update=changes)


def group(*tasks: Task, created_at: datetime = NOW) -> tuple[Group, dict[str, Task]]:
    members = [Member(name="cat.png", task_id=each.id) for each in tasks]
    return Group(id="g", members=members, created_at=created_at), {t.id: t for t in tasks}


def test_free_name_search_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    class Taken(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            nonlocal tried
            tried += 1
            return super().__contains__(name)

    def counting_free_name(name: str, taken: Any, numbers: dict[str, int]) -> str:
        return _free_name(name, Taken(taken), numbers)

    monkeypatch.setattr("models.tasks.zip_archive._free_name", counting_free_name)
    found = archive_entries(*group(*(task(number, "cat.png") for number in range(200))))
    assert {each.name for each in found} == {"cat.png", *(f"cat-{n}.png" for n in range(2, 201))}
    assert tried <= 3 * 200


async def test_archive_contents(client: Any, settings: Settings) -> None:
    files = [*TWO, ("notes.txt", b"no picture at all"), TWO[0]]
    async with working(settings):
        body = await (await client.post("/split?wait=30", data=form(files))).json()
        response = await client.get(body["archive_url"])
        data = await response.read()
        contents = {
            result["name"]: await (await client.get(result["url"])).read()
            for each in body["tasks"]
            for result in each["results"]
        }
    assert response.content_type == "application/zip"
    assert int(response.headers["Content-Length"]) == len(data)
    assert response.headers["Content-Disposition"].startswith('attachment; filename="darkroom-')
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sorted(names) == sorted([*contents, FAILURES_FILE])
        assert len(names) == 9
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        for name, expected in contents.items():
            assert archive.read(name) == expected
        assert (
            b"notes.txt: the format of the file is text, judged by its first bytes"
            in archive.read(FAILURES_FILE)
        )
    head = await client.head(body["archive_url"])
    assert head.headers["Content-Length"] == str(len(data))
    for owner in ("0" * 16, "%C2%86"):
        other = await client.get(f"{body['archive_url']}?owner={owner}")
        await refused(other, 404, "not_found")


async def test_archive_of_unfinished_unknown_and_empty_groups(client: Any, store: Store) -> None:
    body = await (await client.post("/grayscale", data=form(TWO))).json()
    path = f"/status/{body['group_id']}/archive"
    problem = await refused(await client.get(path), 404, "not_ready")
    assert (problem["done"], problem["total"]) == (0, 2)
    await refused(await client.get("/status/nobody/archive"), 404, "not_found")
    await refused(await client.get("/status/nobody"), 404, "not_found")
    for each in body["tasks"]:
        await store.leases.claim(each["task_id"], worker="w", token="t", seconds=9, max_attempts=3)
        await store.leases.fail(each["task_id"], "t", {"code": "bad_image", "detail": "broken"})
    ended = await (await client.get(f"/status/{body['group_id']}")).json()
    assert (ended["status"], ended["failed"], ended["archive_url"]) == ("FAILURE", 2, None)
    await refused(await client.get(path), 404, "not_found")


async def test_redirect_to_the_archive(client: Any, settings: Settings) -> None:
    async with working(settings):
        response = await client.post("/grayscale?wait=30&redirect=1", data=form(TWO))
    assert response.content_type == "application/zip"


def test_entry_names_are_unique_ignoring_case() -> None:
    made = group(task(1, "Cat.png"), task(2, "cat.png"), task(3, "CAT.PNG"))
    assert [entry.name for entry in archive_entries(*made)] == ["Cat.png", "cat-2.png", "CAT-3.PNG"]


async def test_memory_is_constant_and_length_is_known() -> None:
    """1.5 GB stream through the archive with at most two chunks in memory."""
    size, chunk = 300 * 1024 * 1024, bytes(1024 * 1024)
    made = group(*(task(n, f"{n}.png", size=size) for n in range(5)))
    given = taken = peak = 0

    async def read(result: Result) -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(size // len(chunk)):
            given += len(chunk)
            yield chunk

    archive = GroupArchive(*made, read)
    total = 0
    async for piece in archive.stream():
        total += len(piece)
        taken += len(piece)
        peak = max(peak, given - taken)
    assert total == archive.length > 5 * size
    assert peak <= 2 * len(chunk)


async def test_connection_is_cut_when_a_result_is_missing(
    client: Any, settings: Settings, store: Store
) -> None:
    async with working(settings):
        body = await (await client.post("/grayscale?wait=30", data=form(TWO))).json()
    victim = await store.tasks.get(body["tasks"][1]["task_id"])
    assert victim is not None
    await store.results.delete(victim.results[0].file_id)
    response = await client.get(body["archive_url"])
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_disconnected_reader_leaves_no_tasks(client: Any, settings: Settings) -> None:
    files = [(f"{n}.png", images.png(300, 300, seed=n)) for n in range(4)]
    async with working(settings):
        body = await (await client.post("/grayscale?wait=30", data=form(files))).json()
    before = len(asyncio.all_tasks())
    for _ in range(5):
        response = await client.get(body["archive_url"])
        await response.content.read(10)
        response.close()
    await wait_until(lambda: len(asyncio.all_tasks()) <= before)


def test_group_progress() -> None:
    done = task(1, "a")
    half = task(2, status=Status.STARTED, progress=50, started_at=NOW, finished_at=None)
    open_ = task(3, status=Status.CREATED, started_at=None, finished_at=None)
    summary = group_progress(*group(done, half, open_))
    assert (summary.status, summary.done, summary.total, summary.progress) == (
        Status.STARTED,
        1,
        3,
        50,
    )
    assert group_progress(*group(open_)).status is Status.CREATED
    assert group_progress(*group(done)).status is Status.SUCCESS
    failed = task(5, status=Status.FAILURE)
    summary = group_progress(*group(done, failed))
    assert (summary.status, summary.failed, summary.ended) == (Status.FAILURE, 1, True)
    lost = Group(id="g", members=[Member(name="x", task_id="gone")], created_at=NOW)
    assert group_progress(lost, {}).status is Status.FAILURE
