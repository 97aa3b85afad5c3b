"""What a watcher remembers, also when it was killed; and where results may be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.errors import BadParameter
from models.images.inspect import OutputFormat
from workers.watching.folder_scan import Stamp
from workers.watching.placement import move_aside, place, remove_unfinished, targets
from workers.watching.record import FolderBusy, Record

CAT, STAMP = Path("a/cat.jpg"), Stamp(10, 5)


def written(root: Path, paths: Sequence[Path], text: str = "x") -> None:
    for path in paths:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)


def test_only_whole_results_that_are_there_count(tmp_path: Path) -> None:
    paths = [Path("a/cat-1.jpg"), Path("a/cat-2.jpg")]
    with Record(tmp_path) as record:
        record.begin(CAT, STAMP, "asked", paths)
        written(tmp_path, paths)
        assert not record.has(CAT, STAMP, "asked")  # killed before the last was written
    with Record(tmp_path) as record:
        assert record.may_write(paths[0], CAT)
        record.begin(CAT, STAMP, "asked", paths)
        record.finish(CAT)
    with Record(tmp_path) as record:
        assert record.has(CAT, STAMP, "asked")
        assert not record.has(CAT, STAMP, "other operations")
        assert not record.has(CAT, Stamp(11, 5), "asked")
        assert not record.has(CAT, Stamp(10, 6), "asked")
        assert not record.has(Path("cat.jpg"), STAMP, "asked")
        (tmp_path / paths[1]).unlink()
        assert not record.has(CAT, STAMP, "asked")


def test_one_watcher_at_a_time(tmp_path: Path) -> None:
    with Record(tmp_path), pytest.raises(FolderBusy, match="another watcher writes into"):
        Record(tmp_path)
    with Record(tmp_path):
        pass


@pytest.mark.parametrize(
    ("source", "output", "count", "first", "second"),
    [
        ("a/cat.jpg", "jpeg", 1, ["a/cat.jpg"], ["a/cat.jpg.jpg"]),
        ("a/cat.JPEG", "jpeg", 1, ["a/cat.JPEG"], ["a/cat.JPEG.jpg"]),
        ("cat.jpg", "webp", 1, ["cat.webp"], ["cat.jpg.webp"]),
        ("cat", "png", 1, ["cat.png"], ["cat.png"]),
        ("cat.png", "png", 2, ["cat-1.png", "cat-2.png"], ["cat.png-1.png", "cat.png-2.png"]),
    ],
)
def test_names_of_results(
    tmp_path: Path,
    source: str,
    output: OutputFormat,
    count: int,
    first: list[str],
    second: list[str],
) -> None:
    (tmp_path / "a").mkdir()
    with Record(tmp_path) as record:
        path = Path(source)
        found = targets(path, output, count, record)
        assert found == [Path(each) for each in first]
        record.begin(path, STAMP, "asked", found)
        written(tmp_path, found)
        assert targets(path, output, count, record) == found  # its own are written again
        other = path.with_name("cat.other")
        if count == 1 and output == "webp":
            assert targets(other, output, 1, record) == [Path("cat.other.webp")]


def test_a_file_that_was_not_made_here_is_never_overwritten(tmp_path: Path) -> None:
    written(tmp_path, [Path("cat.webp")], "a person's own")
    with Record(tmp_path) as record:
        assert targets(Path("cat.jpg"), "webp", 1, record) == [Path("cat.jpg.webp")]
        (tmp_path / "cat.jpg.webp").symlink_to("/nowhere")
        with pytest.raises(BadParameter, match=r"cat\.jpg\.webp exists in the folder of results"):
            targets(Path("cat.jpg"), "webp", 1, record)


def test_results_appear_whole(tmp_path: Path) -> None:
    result = tmp_path / "result"
    result.write_bytes(b"bytes")
    root = tmp_path / "out"
    place([str(result)], [Path("a/b/cat.png")], root)
    made = root / "a/b/cat.png"
    assert made.read_bytes() == b"bytes"
    assert oct(made.stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    with pytest.raises(FileNotFoundError):
        place([str(tmp_path / "gone")], [Path("a/dog.png")], root)
    assert [each.name for each in (root / "a").iterdir()] == ["b"]
    (root / "a" / ".darkroom-x.part").write_text("of a killed one")
    remove_unfinished(root)
    assert [each.name for each in (root / "a").iterdir()] == ["b"] and made.exists()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_failures_go_aside_with_their_reason(tmp_path: Path) -> None:
    failed = tmp_path / "failed"
    for number in range(3):
        written(tmp_path, [CAT], str(number))
        move_aside(tmp_path, CAT, failed, f"because {number} \ud800")
        assert not (tmp_path / CAT).exists()
    assert sorted(path.name for path in (failed / "a").iterdir()) == [
        *("cat-2.jpg", "cat-2.jpg.txt", "cat-3.jpg", "cat-3.jpg.txt", "cat.jpg", "cat.jpg.txt")
    ]
    assert (failed / "a/cat-3.jpg").read_text() == "2"
    assert (failed / "a/cat.jpg.txt").read_text() == "because 0 ?\n"
