"""A watched folder: full disks, children that die, planted links, names that are too long."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import WorkerCrashed
from models.files_below import open_file
from tests.support.smtp import wait_until
from tests.workers.watching import JPEG, PNG, Children, listed, once, put
from workers.child.request import Request
from workers.watching import watcher
from workers.watching.record import Record
from workers.watching.watcher import Watcher


@pytest.mark.parametrize(
    ("of", "step", "faults", "told"),
    [
        (
            watcher,
            "place",
            [OSError(errno.ENOSPC, "No space left on device"), FileNotFoundError(2, "gone", "/x")],
            "No space left on device",
        ),
        # SQLite has errors of its own, and writes before the results are written.
        (Record, "begin", [sqlite3.OperationalError("database or disk is full")], "disk is full"),
    ],
)
async def test_faults_of_the_machine_are_no_faults_of_the_picture(
    of: Any,
    step: str,
    faults: list[Exception],
    told: str,
    watching: Watcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(tmp_path / "in/cat.png", PNG)
    real, left = getattr(of, step), list(faults)

    def fail_first(*given: Any) -> None:
        if left:
            raise left.pop(0)
        real(*given)

    monkeypatch.setattr(of, step, fail_first)
    await once(watching)
    assert listed(tmp_path / "out") == ["cat.png"] and listed(tmp_path / "in") == ["cat.png"]
    assert f"{told}; it is tried again" in capsys.readouterr().err


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
