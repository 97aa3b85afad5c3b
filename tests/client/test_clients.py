"""Both clients against the service: the same calls, once with threads and once with asyncio."""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from darkroom.client import (
    AsyncDarkroom,
    Convert,
    Darkroom,
    DarkroomError,
    Grayscale,
    Operation,
    Picture,
    Problem,
    Resize,
    Split,
    TaskFailed,
    Thumbnail,
    Unreachable,
    Watermark,
    operations,
)

from docs.generate import client_operations
from models import VERSION
from models.operations import parse
from tests.conftest import Client
from tests.support import images
from tests.support.paths import ROOT


class Threaded:
    """A ``Darkroom`` whose calls are awaited: the service runs in the loop of the test."""

    def __init__(self, darkroom: Darkroom) -> None:
        self._darkroom = darkroom

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._darkroom, name)
        if name == "follow":
            return self._follow
        return lambda *args, **more: asyncio.to_thread(method, *args, **more)

    async def _follow(self, what: Any) -> AsyncIterator[Any]:
        for state in await asyncio.to_thread(lambda: list(self._darkroom.follow(what))):
            yield state


@pytest.fixture(params=["sync", "async"])
async def darkroom(request: pytest.FixtureRequest, client: Client) -> AsyncIterator[Any]:
    server = str(client.make_url("/"))
    if request.param == "async":
        async with AsyncDarkroom(server, retry_seconds=0) as opened:
            yield opened
    else:
        with Darkroom(server, retry_seconds=0) as other:
            yield Threaded(other)


async def test_pictures_go_and_results_come(darkroom: Any, worker: Any, tmp_path: Path) -> None:
    data = images.png(20, 12)
    (tmp_path / "cat.png").write_bytes(data)
    small = Resize(scale=0.5, filter="cubic")
    task = await darkroom.submit(tmp_path / "cat.png", small, Grayscale(), format="webp")
    assert task.name == "cat.png"
    done = await darkroom.wait(task)
    (result,) = done.results
    assert (done.status, result.width, result.height, result.format) == ("SUCCESS", 10, 6, "webp")
    states = [state async for state in darkroom.follow(task)]
    assert states[-1].ended and states[-1].position is None

    path = await darkroom.download(result, tmp_path)
    assert path == tmp_path / result.name
    assert path.read_bytes() == await darkroom.read(result)
    assert images.decoded(path.read_bytes()).size == (10, 6)

    opened = io.BytesIO(data)
    parts = await darkroom.process(opened, Split(), to=tmp_path / "parts")
    assert len(parts) == 4 and {each.parent.name for each in parts} == {"parts"}
    with pytest.raises(Problem, match="no preset 'shop-photo'"):
        await darkroom.submit(data, preset="shop-photo")
    (named,) = await darkroom.process(data, {"op": "flip"}, to=tmp_path / "flipped.png")
    assert images.decoded(named.read_bytes()).size == (20, 12)

    await darkroom.delete_result(result.name)
    with pytest.raises(Problem) as gone:
        await darkroom.read(result)
    assert gone.value.code in {"result_gone", "not_found"}
    (there,) = await darkroom.process(
        tmp_path / "cat.png", small, Grayscale(), to=tmp_path / "again.webp", format="webp"
    )
    assert there.read_bytes() == path.read_bytes()
    tom = Picture.of_bytes(data, "tom.png")
    again = await darkroom.submit(tom, small, "grayscale", format="webp")
    assert (again.id, again.name, again.ended) == (task.id, "tom.png", True)


async def test_a_watermark_goes_with_the_pictures(darkroom: Any, tmp_path: Path) -> None:
    data, logo = images.png(9, 7), tmp_path / "logo.png"
    logo.write_bytes(data)
    pictures = [images.png(20, 12, seed=seed) for seed in (1, 2)]
    mark = Watermark(picture="watermark_image", share=30)
    one = await darkroom.submit(pictures[1], mark, watermark_image=logo)
    group = await darkroom.submit_group(pictures, mark, watermark_image=data)
    assert [each.id == one.id for each in group.tasks] == [False, True]
    with pytest.raises(Problem, match="its picture did not come"):
        await darkroom.submit(pictures[0], mark)


async def test_groups(darkroom: Any, worker: Any, tmp_path: Path) -> None:
    pictures = [
        Picture.of_bytes(images.png(30, 20, seed=1), "a.png"),
        Picture.of_bytes(b"no picture", "b.png"),
        Picture.of_bytes(images.png(30, 20, seed=2), "c.png"),
    ]
    group = await darkroom.submit_group(pictures, Thumbnail(width=8))
    done = await darkroom.wait(group, timeout=60)
    assert (done.status, done.total, done.done, done.failed) == ("FAILURE", 3, 3, 1)
    refused = done.tasks[1]
    assert refused.id is None and refused.error["code"] == "unsupported_format"
    with pytest.raises(TaskFailed) as failed:
        await darkroom.wait(refused)
    assert failed.value.code == "unsupported_format"
    assert failed.value.type == "urn:darkroom:error:unsupported_format"
    assert [state.done async for state in darkroom.follow(group)][-1] == 3
    archive = await darkroom.download_archive(done, tmp_path / "all.zip")
    assert archive.read_bytes()[:2] == b"PK"
    gathered = await darkroom.gather([each for each in done.tasks if each.id])
    assert (gathered.total, gathered.status) == (2, "SUCCESS")
    alone = await darkroom.submit_group(pictures[:1], Thumbnail(width=8))
    assert (alone.total, alone.tasks[0].id) == (1, done.tasks[0].id)


async def test_refusals_and_tasks_without_a_worker(darkroom: Any) -> None:
    picture = Picture.of_bytes(images.png(9, 9), "a.png")
    with pytest.raises(Problem) as refused:
        await darkroom.submit(picture, {"op": "upscale", "scale": 9})
    error = refused.value
    assert (error.status, error.code, error.title) == (422, "bad_parameter", "Unprocessable Entity")
    assert error.type == "urn:darkroom:error:bad_parameter"
    assert error.members["known"] == [2, 3, 4] and error.request_id
    with pytest.raises(Problem, match="HTML"):
        await darkroom.submit(b"<!DOCTYPE html><html>", "grayscale")
    with pytest.raises(Problem) as missing:
        await darkroom.task("../healthz")
    assert missing.value.status == 404

    task = await darkroom.submit(picture, "grayscale")
    with pytest.raises(DarkroomError, match=r"CREATED, 0 %, after 0\.01 s"):
        await darkroom.wait(task, timeout=0.01)
    stopped = await darkroom.cancel(task)
    with pytest.raises(TaskFailed) as cancelled:
        await darkroom.wait(stopped)
    assert cancelled.value.code == "cancelled"
    assert (await darkroom.retry(stopped)).status == "CREATED"
    assert "upscale" in [each["op"] for each in (await darkroom.operations())["operations"]]


@pytest.mark.parametrize("server", ["ftp://host", "localhost:8080", "http://h/?a=b", ""])
def test_a_server_is_an_http_url(server: str) -> None:
    with pytest.raises(DarkroomError, match="not an http or https URL"):
        Darkroom(server)


@pytest.mark.parametrize("key", ["a\r\nX-Admin: 1", "two words", "ä"])
def test_a_key_stays_one_header(key: str) -> None:
    with pytest.raises(DarkroomError, match="key"):
        Darkroom("http://localhost", key)


@pytest.mark.parametrize("url", ["https://elsewhere.example/x", "//elsewhere.example/x", "/\\x"])
def test_the_key_goes_to_no_other_host(url: str) -> None:
    """Whatever a service names as the place of a result."""
    from darkroom.client.documents import Result

    with (
        Darkroom("http://localhost:9", "key") as opened,
        pytest.raises(DarkroomError, match="no path on it"),
    ):
        opened.read(Result("a.png", url, 1, 1, "png", 1, "0" * 64, ()))


@pytest.mark.integration
def test_nothing_listens() -> None:
    with (
        Darkroom("http://127.0.0.1:9", retry_seconds=0) as opened,
        pytest.raises(Unreachable, match="GET /tasks/1: ConnectError"),
    ):
        opened.task("1")


@pytest.mark.integration
def test_the_operations_are_those_of_the_product() -> None:
    committed = ROOT / "client" / "darkroom" / "client" / "operations.py"
    assert committed.read_text() == client_operations.module(), "run python -m docs"
    for name in operations.__all__:
        kind = getattr(operations, name)
        if kind is not Operation:
            assert kind.op == name.lower()
    document = Convert(format="webp", quality="lossless").document()
    assert document == {"op": "convert", "format": "webp", "quality": "lossless"}
    assert parse(document.pop("op"), document).op == "convert"


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(value).parameters)
            for name, value in vars(kind).items()
            if callable(value) and not name.startswith("_")
        }

    assert calls(Darkroom) == calls(AsyncDarkroom)


def test_the_package_has_the_version_of_the_service() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "client" / "pyproject.toml").read_text()
