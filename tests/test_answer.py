"""What a child answers is read as a stranger's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from workers.answer import Strange, cleared, taken


def answered(path: str, **other: Any) -> dict[str, Any]:
    """Return the answer of a child that made one file."""
    made = {"path": path, "width": 1, "height": 1, "bytes": 1, "sha256": "0" * 64, "notes": []}
    return {"results": [made | other], "kept": {}, "report": None, "ms": {"decode": 1.5}, "held": 1}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The child's folder; what only its worker may read lies beside it."""
    (tmp_path / "secret").write_text("mongodb://user:secret@host/")
    (tmp_path / "task").mkdir()
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "result-1.png").write_bytes(b"four")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").mkdir()
    os.link(tmp_path / "secret", folder / "second-name")
    os.mkfifo(folder / "pipe")
    return folder


def test_its_file_is_moved_and_its_size_looked_up(own: Path) -> None:
    task = own.parent / "task"
    answer = taken(answered(f"{own}/result-1.png"), own, task)
    assert answer["results"][0]["path"] == f"{task}/result-1.png"
    assert answer["results"][0]["bytes"] == 4
    assert (task / "result-1.png").read_bytes() == b"four"
    assert answer["ms"] == {"decode": 1.5}


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "OWN/../secret", "OWN/link", "OWN/second-name", "OWN/pipe", "OWN/folder"),
        *("OWN/nowhere", "OWN", "OWN/", "OWN/..", "", "OWN/\0", "OWN/a\0b", "result-1.png", "/"),
        "OWN/" + "a" * 5000,
    ],
)
def test_no_other_file_is_taken(path: str, own: Path) -> None:
    task = own.parent / "task"
    with pytest.raises((Strange, ValidationError)):
        taken(answered(path.replace("OWN", str(own))), own, task)
    assert list(task.iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"


@pytest.mark.parametrize(
    "change",
    [
        {"results": 1},
        {"results": [{"path": "x"}]},
        {"results": [], "kept": {}, "ms": {}, "report": None, "more": 1},
        {"results": [], "kept": {"1": {}}, "ms": {}, "report": None},
        {"results": [], "kept": {}, "ms": {"decode": "soon"}, "report": None},
        {"results": [], "kept": {}, "ms": {}, "report": None, "held": -1},
        answered("x", width=0),
        answered("x", width=1 << 40),
        answered("x", height="1"),
        answered("x", sha256="../" * 20),
        answered("x", notes=["a" * 501]),
        answered("x", notes="abc"),
        answered("x", more=1),
    ],
)
def test_what_no_child_answers_is_no_answer(change: dict[str, Any], own: Path) -> None:
    with pytest.raises((Strange, ValidationError)):
        taken(change, own, own.parent / "task")


def test_an_error_is_passed_on() -> None:
    said = {"error": {"code": "bad_image", "detail": "broken"}, "held": 1}
    assert taken(said, Path("a"), Path("b")) is said


def test_whatever_was_left_is_deleted(own: Path) -> None:
    (own / "folder" / "more").write_text("a")
    cleared(own)
    assert list(own.iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"
