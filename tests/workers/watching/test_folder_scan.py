"""Which files of a watched folder are taken, and when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.watching import folder_scan
from workers.watching.folder_scan import SETTLE_SECONDS, YOUNG_SECONDS, FolderScan


class Clock:
    """A clock that tests set, for both kinds of time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(folder_scan, "time", made)
    return made


def put(path: Path, data: bytes = b"x", modified: float = 1000.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (modified, modified))


def names(scan: FolderScan) -> list[str]:
    return [each.path.as_posix() for each in scan.look()]


def test_a_file_is_taken_when_it_stopped_changing(tmp_path: Path, clock: Clock) -> None:
    scan = FolderScan(tmp_path)
    put(tmp_path / "a.png", b"half", 1000)
    assert names(scan) == [] and scan.unsettled == 1
    clock.now += SETTLE_SECONDS - 0.1
    put(tmp_path / "a.png", b"half and more", 1000)  # the time alone may be too coarse
    assert names(scan) == []
    clock.now += SETTLE_SECONDS - 0.1
    put(tmp_path / "a.png", b"half and MORE", 1003)  # as may the size
    assert names(scan) == []
    clock.now += SETTLE_SECONDS
    (found,) = scan.look()
    assert (found.path, found.stamp.size, scan.unsettled) == (Path("a.png"), 13, 0)
    assert found.young


def test_what_changed_long_ago_is_not_young(tmp_path: Path, clock: Clock) -> None:
    put(tmp_path / "copied.png", modified=1000 - YOUNG_SECONDS)
    put(tmp_path / "future.png", modified=10**9)  # a clock that is wrong
    scan = FolderScan(tmp_path)
    scan.look()
    clock.now += SETTLE_SECONDS
    assert [each.young for each in scan.look()] == [False, True]
    clock.now += YOUNG_SECONDS
    assert [each.young for each in scan.look()] == [False, False]


def test_what_is_passed_over(
    tmp_path: Path, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere / "secret.png")
    for name in ("b/2.png", "b/1.png", "a.png", "b/c/3.png", "no-extension"):
        put(tmp_path / name)
    for name in (".hidden.png", ".git/x.png", "x.png.part", "y.CRDOWNLOAD", "z~", "failed/f.png"):
        put(tmp_path / name)
    (tmp_path / "link.png").symlink_to(elsewhere / "secret.png")
    (tmp_path / "links").symlink_to(elsewhere)
    os.mkfifo(tmp_path / "pipe.png")
    odd = os.fsdecode(b"odd\xff\n.png")
    put(tmp_path / odd)
    scan = FolderScan(tmp_path, [tmp_path / "failed", tmp_path / "none"])
    scan.look()
    clock.now += SETTLE_SECONDS
    assert names(scan) == ["a.png", "no-extension", odd, "b/1.png", "b/2.png", "b/c/3.png"]


def test_a_folder_that_went_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderScan(tmp_path / "gone").look()
