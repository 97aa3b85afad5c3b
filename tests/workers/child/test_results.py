"""What a child made is taken as from a stranger: copied, looked at and hashed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.images.inspect import OutputFormat
from models.operations import Encoding
from tests.support import images
from tests.workers.operations import bgr
from workers.child.protocol import Progress, parse_message
from workers.child.request import Request
from workers.child.results import ProtocolError, clear_folder, collect
from workers.imaging import codec
from workers.imaging.picture import Picture

PNG = images.png(40, 30)
KEPT = images.png(20, 10)


def made(path: str, data: bytes = PNG, **other: Any) -> dict[str, Any]:
    """Return what a child says of one file."""
    sha256 = hashlib.sha256(data).hexdigest()
    said = {"path": path, "width": 40, "height": 30, "bytes": 1, "sha256": sha256, "notes": []}
    return said | other


def answered(path: str, **other: Any) -> dict[str, Any]:
    """Return the answer of a child that made one file."""
    ms = {"decode": 1.5}
    return {
        "results": [made(path, **other)],
        "kept": {},
        "report": None,
        "ms": ms,
        "resident_bytes": 1,
    }


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The child's folder; what only its worker may read lies beside it."""
    (tmp_path / "secret").write_text("mongodb://user:secret@host/")
    (tmp_path / "task").mkdir()
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "result-1.png").write_bytes(PNG)
    (folder / "kept-1.png").write_bytes(KEPT)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").mkdir()
    os.link(tmp_path / "secret", folder / "second-name")
    os.mkfifo(folder / "pipe")
    return folder


def take(said: dict[str, Any], own: Path, **asked: Any) -> dict[str, Any]:
    request = Request("original", str(own.parent / "task"), [], "png")
    return collect(parse_message(json.dumps(said).encode()), replace(request, **asked), own)


def test_its_files_are_copied_and_their_sizes_looked_up(own: Path) -> None:
    said = answered(f"{own}/result-1.png")
    said["kept"] = {"1": made(f"{own}/kept-1.png", KEPT, width=20, height=10)}
    answer = take(said, own, keep=[1, 2])
    (result,) = answer["results"]
    assert result["bytes"] == len(PNG)
    assert Path(result["path"]).parent == own.parent / "task"
    assert Path(result["path"]).read_bytes() == PNG
    assert Path(answer["kept"]["1"]["path"]).read_bytes() == KEPT
    assert answer["ms"] == {"decode": 1.5}
    assert not (own / "result-1.png").exists()


def test_what_a_child_still_writes_is_not_published(own: Path) -> None:
    with (own / "result-1.png").open("r+b") as held:
        answer = take(answered(f"{own}/result-1.png"), own)
        held.write(b"<html>")
        held.truncate()
        held.flush()
        assert Path(answer["results"][0]["path"]).read_bytes() == PNG


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "OWN/../secret", "OWN/link", "OWN/second-name", "OWN/pipe", "OWN/folder"),
        *("OWN/nowhere", "OWN", "OWN/", "OWN/..", "", "OWN/\0", "OWN/a\0b", "result-1.png", "/"),
        "OWN/" + "a" * 4000,
    ],
)
def test_no_other_file_is_collect(path: str, own: Path) -> None:
    with pytest.raises(ProtocolError):
        take(answered(path.replace("OWN", str(own))), own)
    assert list((own.parent / "task").iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_every_kind_of_result_is_taken_and_no_other_for_it(kind: OutputFormat, own: Path) -> None:
    alpha = bgr(40, 30)[:, :, 0].copy()
    for plain in (Picture(bgr(40, 30)), Picture(bgr(40, 30), alpha), Picture(alpha)):
        data = codec.encode(plain, Encoding(kind))
        for asked in ("png", "jpeg", "webp"):
            (own / "made").write_bytes(data)
            said = answered(f"{own}/made", data=data)
            if asked == kind:
                assert take(said, own, format=asked)["results"][0]["bytes"] == len(data)
            else:
                with pytest.raises(ProtocolError, match=f"not a {asked} file"):
                    take(said, own, format=asked)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"width": 41}, "40 x 30, not 41 x 30"),
        ({"height": 31}, "40 x 30, not 40 x 31"),
        ({"sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_what_is_said_of_a_file_must_be_true(change: Any, why: str, own: Path) -> None:
    with pytest.raises(ProtocolError, match=why):
        take(answered(f"{own}/result-1.png", **change), own)


@pytest.mark.parametrize("data", [b"", b"<html>", PNG[:-20], PNG[:33] + PNG[-12:]])
def test_a_file_must_be_a_whole_picture(data: bytes, own: Path) -> None:
    (own / "made").write_bytes(data)
    with pytest.raises(ProtocolError, match="not a png file"):
        take(answered(f"{own}/made", data=data), own)


def test_an_answer_must_be_one_to_what_was_asked(own: Path) -> None:
    path = f"{own}/result-1.png"
    report: dict[str, Any] = {"ms": {}, "upscales": []}
    for change, asked in (
        ({"results": []}, {}),
        ({"results": [made(path), made(path)]}, {}),
        ({}, {"result_count": 2}),
        ({"kept": {"1": made(path)}}, {}),
        ({"kept": {"3": made(path)}}, {"keep": [1, 2]}),
        ({"report": report}, {}),
        ({}, {"report": True}),
    ):
        with pytest.raises(ProtocolError):
            take(answered(path) | change, own, **asked)
    with pytest.raises(ProtocolError):
        collect(Progress(progress=1), Request("", "", [], "png"), own)
    assert take(answered(path) | {"report": report}, own, report=True)["report"] == report


def test_an_error_and_a_defect_are_passed_on(own: Path) -> None:
    error = {"error": {"code": "bad_image", "detail": "broken", "limit": 3}, "resident_bytes": 1}
    assert take(error, own) == error
    assert take({"defect": "Traceback"}, own) == {"defect": "Traceback", "resident_bytes": 0}


def test_whatever_was_left_is_deleted(own: Path) -> None:
    (own / "folder" / "more").write_text("a")
    clear_folder(own)
    assert list(own.iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"
