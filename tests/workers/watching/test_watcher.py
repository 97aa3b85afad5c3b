"""A watched folder: what becomes of good, bad and half-written files.

The child processes are replaced by a function here; ``test_watch_command.py`` has real ones.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.operations.steps import read_pipeline
from tests.support import images
from tests.support.smtp import wait_until
from tests.workers.watching import JPEG, PNG, Children, listed, once, put
from workers.child.request import Request
from workers.watching.watcher import Watcher


async def test_sub_folders_stay_and_nothing_is_made_twice(
    watching: Watcher, children: Children, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "in/cat.png", PNG)
    put(tmp_path / "in/a/b/dog.jpeg", JPEG)
    put(tmp_path / "in/a/odd\n.jpg", JPEG)
    await once(watching)
    assert listed(tmp_path / "out") == ["a/b/dog.jpeg", "a/odd\n.jpg", "cat.png"]
    assert listed(tmp_path / "in") == ["a/b/dog.jpeg", "a/odd\n.jpg", "cat.png"]
    assert f"{tmp_path}/in/cat.png -> {tmp_path}/out/cat.png\n" in capsys.readouterr().out
    assert len(children.requests) == 3
    assert all(request.memory_bytes for request in children.requests)
    await once(watching)
    anew = replace(watching, _done={})
    await once(anew)
    assert len(children.requests) == 3
    put(tmp_path / "in/cat.png", images.png(40, 30, 9))
    (tmp_path / "out/a/b/dog.jpeg").unlink()
    await once(replace(watching, _done={}))
    assert len(children.requests) == 5
    other = replace(watching.order, operations=read_pipeline(["flip"], 20))
    await once(replace(watching, order=other, _done={}))
    assert len(children.requests) == 8
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_two_of_one_name_and_several_results(
    watching: Watcher, children: Children, tmp_path: Path
) -> None:
    put(tmp_path / "in/cat.png", PNG)
    put(tmp_path / "in/cat.jpg", JPEG)
    put(tmp_path / "out/cat-1.webp", b"a person's own")
    order = replace(watching.order, operations=read_pipeline(["split"], 20), format="webp")
    await once(replace(watching, order=order))
    made = [f"cat.{kind}-{n}.webp" for kind in ("jpg", "png") for n in (1, 2, 3, 4)]
    assert listed(tmp_path / "out") == ["cat-1.webp", *made]
    assert (tmp_path / "out/cat-1.webp").read_bytes() == b"a person's own"
    assert {request.format for request in children.requests} == {"webp"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no picture", "unsupported_format: "),
        (PNG[:30], "bad_image: "),
        (PNG + bytes(100_000), "too_large: the file has 10"),
        (b"", "unsupported_format: "),
    ],
)
async def test_bad_files_are_moved_aside_with_the_reason(
    watching: Watcher, tmp_path: Path, data: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "in/a/bad.png", data)
    put(tmp_path / "in/a/good.png", PNG)
    watching.settings = watching.settings.replace(max_upload_bytes=100_000)
    await once(watching)
    assert listed(tmp_path / "in") == ["a/good.png", "failed/a/bad.png", "failed/a/bad.png.txt"]
    assert listed(tmp_path / "out") == ["a/good.png"]
    reason = (tmp_path / "in/failed/a/bad.png.txt").read_text()
    assert reason.startswith(said)
    assert reason.strip() in capsys.readouterr().err
    assert watching.failed == 1


async def test_a_half_written_file_is_left_alone_until_it_is_whole(
    watching: Watcher, tmp_path: Path
) -> None:
    """A program that writes slowly seems to have finished; what fails then is tried again."""
    put(tmp_path / "in/cat.png", PNG[:30], old=False)
    stop = asyncio.Event()
    running = asyncio.create_task(watching.run(stop))
    path = Path("cat.png")

    async def put_off() -> bool:
        return path in watching._put_off

    await wait_until(put_off)
    assert listed(tmp_path / "in") == ["cat.png"]
    with (tmp_path / "in/cat.png").open("ab") as file:
        file.write(PNG[30:])

    async def is_made() -> bool:
        return listed(tmp_path / "out") == ["cat.png"]

    await wait_until(is_made)
    stop.set()
    await running
    assert (tmp_path / "out/cat.png").read_bytes() == PNG
    assert listed(tmp_path / "in") == ["cat.png"] and watching.failed == 0


async def test_a_file_that_changes_while_it_is_read_is_read_again(
    watching: Watcher, children: Children, tmp_path: Path
) -> None:
    put(tmp_path / "in/cat.png", PNG)
    other = images.png(40, 30, 9)

    def changed(request: Request) -> Any:
        put(tmp_path / "in/cat.png", other)
        children.answer = children.copies
        return children.copies(request)

    children.answer = changed
    await once(watching)
    assert (tmp_path / "out/cat.png").read_bytes() == other
    assert len(children.requests) == 2
