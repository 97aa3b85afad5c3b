"""A watched folder: what becomes of good, bad, half-written and foreign files, and of a full disk.

The child processes are replaced by a function here; ``test_watch_command.py`` has real ones.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import WorkerCrashed
from models.files_below import open_file
from models.networks.catalogue import Catalogue
from models.operations.steps import read_pipeline
from models.settings import Settings
from tests.support import images
from tests.support.smtp import wait_until
from workers.child.request import Request
from workers.watching import folder_scan, placement, watcher
from workers.watching.order import Order
from workers.watching.record import Record
from workers.watching.watcher import Watcher

PNG, JPEG = images.png(40, 30), images.jpeg(60, 40)


class Children:
    """In place of a ChildPool: copies each picture to its results, as ``answer`` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Any] = self.copies

    async def run(self, request: Request, progress: Any) -> Any:
        self.requests.append(request)
        return self.answer(request)

    def copies(self, request: Request) -> Any:
        made = []
        for number in range(request.result_count):
            path = Path(request.folder) / f"result-{number}"
            path.write_bytes(Path(request.source).read_bytes())
            made.append({"path": str(path)})
        return {"results": made}


@pytest.fixture
def children() -> Children:
    return Children()


@pytest.fixture
def watching(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watcher]:
    """A watcher of tmp_path/in that takes files at once."""
    monkeypatch.setattr(folder_scan, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(watcher, "_TROUBLE_SECONDS", 0.001)
    for name in ("in", "out", "scratch"):
        (tmp_path / name).mkdir()
    source, results = tmp_path / "in", tmp_path / "out"
    order = Order(
        source, results, source / "failed", read_pipeline(["resize=0.5"], 20), None, "none"
    )
    made: Any = children
    with Record(results) as record:
        yield Watcher(
            order,
            Settings(),
            Catalogue.read(None),
            record,
            made,
            tmp_path / "scratch",
            print,
            lambda line: print(line, file=sys.stderr),
        )


def put(path: Path, data: bytes, *, old: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if old:
        os.utime(path, (1000, 1000))


def listed(folder: Path) -> list[str]:
    """Return the files below ``folder`` that are not the watcher's own."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not path.name.startswith(".darkroom"))


async def once(watching: Watcher) -> None:
    await asyncio.wait_for(watching.run(asyncio.Event(), once=True), 30)


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


async def test_faults_of_the_machine_are_no_faults_of_the_picture(
    watching: Watcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(tmp_path / "in/cat.png", PNG)
    faults = [OSError(errno.ENOSPC, "No space left on device"), FileNotFoundError(2, "gone", "/x")]
    real = placement.place

    def place(*given: Any) -> None:
        if faults:
            raise faults.pop(0)
        real(*given)

    monkeypatch.setattr(watcher, "place", place)
    await once(watching)
    assert listed(tmp_path / "out") == ["cat.png"] and listed(tmp_path / "in") == ["cat.png"]
    assert "No space left on device; it is tried again" in capsys.readouterr().err


async def test_a_picture_that_kills_children_is_moved_aside(
    watching: Watcher, children: Children, tmp_path: Path
) -> None:
    put(tmp_path / "in/poison.png", PNG)

    def dies(request: Request) -> Any:
        raise WorkerCrashed("the child process died")

    children.answer = dies
    await once(watching)
    assert len(children.requests) == watching.settings.worker.max_attempts
    assert listed(tmp_path / "in") == ["failed/poison.png", "failed/poison.png.txt"]


async def test_what_a_child_says_is_the_reason(
    watching: Watcher, children: Children, tmp_path: Path
) -> None:
    put(tmp_path / "in/a.png", PNG)
    put(tmp_path / "in/b.png", JPEG)
    answers = {
        "png": {"error": {"code": "bad_image", "detail": "broken"}},
        "jpeg": {"defect": "Traceback\n  File\nValueError: x"},
    }
    children.answer = lambda request: answers[request.format]
    await once(watching)
    reasons = [(tmp_path / f"in/failed/{name}.png.txt").read_text() for name in "ab"]
    assert reasons[0] == "bad_image: broken\n"
    assert reasons[1].endswith("please report it: ValueError: x\n")


async def test_a_link_in_place_of_the_file_is_not_followed(
    watching: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put there between the look and the copy."""
    put(tmp_path / "in/cat.png", PNG)
    put(tmp_path / "secret.png", PNG)
    real = Watcher._copy

    def swapped(self: Watcher, found: Any, to: Path) -> None:
        path = tmp_path / "in/cat.png"
        if not path.is_symlink():
            path.unlink()
            path.symlink_to(tmp_path / "secret.png")
        real(self, found, to)

    monkeypatch.setattr(Watcher, "_copy", swapped)
    await once(watching)
    assert listed(tmp_path / "out") == [] and (tmp_path / "in/cat.png").is_symlink()


async def test_a_folder_that_goes_ends_it(watching: Watcher, tmp_path: Path) -> None:
    (tmp_path / "in").rmdir()
    with pytest.raises(FileNotFoundError):
        await once(watching)


async def test_two_of_one_name_that_are_in_work_at_once(
    watching: Watcher, children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has begun to write when the other chooses its name."""
    both = asyncio.Barrier(2)

    async def run(request: Request, progress: Any) -> Any:
        await both.wait()
        return children.copies(request)

    monkeypatch.setattr(children, "run", run)
    put(tmp_path / "in/cat.png", PNG)
    put(tmp_path / "in/cat.jpg", JPEG)
    watching.settings = watching.settings.replace(worker_processes=2)
    order = replace(watching.order, format="webp")
    await once(replace(watching, order=order))
    made = listed(tmp_path / "out")
    assert made in (["cat.jpg.webp", "cat.webp"], ["cat.png.webp", "cat.webp"])
    assert {(tmp_path / "out" / name).read_bytes() for name in made} == {PNG, JPEG}


@pytest.mark.parametrize("data", [PNG, b"no picture"])
async def test_a_name_too_long_for_its_result_or_its_reason(
    watching: Watcher, children: Children, tmp_path: Path, data: bytes
) -> None:
    name = "ä" * 125 + "x.png"  # 255 bytes, the most of a file system: cat.webp takes one more
    put(tmp_path / "in" / name, data)
    order = replace(watching.order, format="webp")
    await once(replace(watching, order=order))
    assert listed(tmp_path / "out") == [] and len(children.requests) <= 1
    aside = sorted(path.name for path in (tmp_path / "in/failed").iterdir())
    assert len(aside) == 2 and name in aside
    reason = (tmp_path / "in/failed" / next(each for each in aside if each != name)).read_text()
    assert reason.startswith("bad_parameter: " if data is PNG else "unsupported_format: ")
    assert "255" in reason or data is not PNG


async def test_a_reason_never_replaces_a_file_that_was_moved_aside(
    watching: Watcher, tmp_path: Path
) -> None:
    put(tmp_path / "in/cat.jpg.txt", b"someone's notes")
    await once(watching)
    put(tmp_path / "in/cat.jpg", b"no picture")
    await once(watching)
    failed = tmp_path / "in/failed"
    assert (failed / "cat.jpg.txt").read_bytes() == b"someone's notes"
    assert len(listed(failed)) == 4


async def test_links_that_those_who_put_pictures_there_plant(
    watching: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file moved aside would be written anywhere, and one of elsewhere read."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "in/failed").mkdir()
    (tmp_path / "in/failed/a").symlink_to(home)
    put(tmp_path / "in/a/authorized_keys", b"no picture")
    put(tmp_path / "in/b/cat.png", PNG)
    put(home / "cat.png", PNG)
    real = Watcher._copy

    def swapped(self: Watcher, found: Any, to: Path) -> None:
        if (tmp_path / "in/b").is_dir() and not (tmp_path / "in/b").is_symlink():
            (tmp_path / "in/b").rename(tmp_path / "moved")
            (tmp_path / "in/b").symlink_to(home)
        real(self, found, to)

    monkeypatch.setattr(Watcher, "_copy", swapped)
    stop = asyncio.Event()
    said: list[str] = []
    watching.warn = said.append
    running = asyncio.create_task(watching.run(stop))

    async def is_said() -> bool:
        return any("authorized_keys" in line for line in said)

    await wait_until(is_said)
    stop.set()
    await running
    assert listed(home) == ["cat.png"] and listed(tmp_path / "out") == []
    assert (tmp_path / "in/a/authorized_keys").exists()


async def test_a_file_that_may_not_be_read_holds_nothing_up(
    watching: Watcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(tmp_path / "in/mine.png", PNG)
    put(tmp_path / "in/other.png", PNG)
    real, said = open_file, "Permission denied; it stays where it is"
    with monkeypatch.context() as patch:

        def refused(name: str, folder: int) -> Any:
            if name == "mine.png":
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(name, folder)

        patch.setattr(watcher, "open_file", refused)
        await once(watching)
        await once(watching)
    assert listed(tmp_path / "out") == ["other.png"]
    assert capsys.readouterr().err.count(said) == 1 and watching.failed == 1
    assert listed(tmp_path / "in") == ["mine.png", "other.png"]
    await once(watching)  # it was permitted
    assert listed(tmp_path / "out") == ["mine.png", "other.png"]


async def test_a_full_disk_of_the_record_is_waited_for(
    watching: Watcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SQLite has errors of its own, and writes before the results are written."""
    put(tmp_path / "in/cat.png", PNG)
    faults: list[Exception] = [sqlite3.OperationalError("database or disk is full")]
    real = Record.begin

    def begin(*given: Any) -> None:
        if faults:
            raise faults.pop(0)
        real(*given)

    monkeypatch.setattr(Record, "begin", begin)
    await once(watching)
    assert listed(tmp_path / "out") == ["cat.png"] and listed(tmp_path / "in") == ["cat.png"]
    assert "disk is full; it is tried again" in capsys.readouterr().err
