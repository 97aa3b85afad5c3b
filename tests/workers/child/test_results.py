"""Files of an untrusted child are copied, inspected and hashed."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.images.inspect import OutputFormat
from models.operations import Encoding
from tests.support import animations, images
from tests.workers.imaging import encode
from tests.workers.operations import bgr
from workers.child.protocol import Progress, parse_message
from workers.child.request import Request
from workers.child.results import ProtocolError, bytes_in, clear_folder, collect
from workers.imaging.picture import Picture

PNG = images.png(40, 30)
JPEG = images.jpeg(40, 30)
KEPT = images.png(20, 10)


def file_message(path: str, data: bytes = PNG, **other: Any) -> dict[str, Any]:
    """Return the description of one file in a child's message."""
    sha256 = hashlib.sha256(data).hexdigest()
    message = {"path": path, "width": 40, "height": 30, "bytes": 1, "sha256": sha256, "notes": []}
    return message | other


def succeeded_message(path: str, **other: Any) -> dict[str, Any]:
    """Return the message of a child that wrote one file."""
    ms = {"decode": 1.5}
    return {
        "results": [file_message(path, **other)],
        "kept": {},
        "report": None,
        "ms": ms,
    }


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The child's folder; beside it is a file that only its worker may read."""
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


def collect_message(message: dict[str, Any], own: Path, **request_fields: Any) -> dict[str, Any]:
    request = Request("original", str(own.parent / "task"), [], "png")
    return collect(
        parse_message(json.dumps(message).encode()), replace(request, **request_fields), own
    )


def test_files_are_copied_and_measured(own: Path) -> None:
    message = succeeded_message(f"{own}/result-1.png")
    message["kept"] = {"1": file_message(f"{own}/kept-1.png", KEPT, width=20, height=10)}
    collected = collect_message(message, own, keep=[1, 2])
    (result,) = collected["results"]
    assert result["bytes"] == len(PNG)
    assert Path(result["path"]).parent == own.parent / "task"
    assert Path(result["path"]).read_bytes() == PNG
    assert Path(collected["kept"]["1"]["path"]).read_bytes() == KEPT
    assert collected["ms"] == {"decode": 1.5}
    assert not (own / "result-1.png").exists()


def test_later_writes_of_a_child_are_not_published(own: Path) -> None:
    with (own / "result-1.png").open("r+b") as file:
        collected = collect_message(succeeded_message(f"{own}/result-1.png"), own)
        file.write(b"<html>")
        file.truncate()
        file.flush()
        assert Path(collected["results"][0]["path"]).read_bytes() == PNG


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "OWN/../secret", "OWN/link", "OWN/second-name", "OWN/pipe", "OWN/folder"),
        *("OWN/nowhere", "OWN", "OWN/", "OWN/..", "", "OWN/\0", "OWN/a\0b", "result-1.png", "/"),
        "OWN/" + "a" * 4000,
    ],
)
def test_files_outside_the_folder_are_refused(path: str, own: Path) -> None:
    with pytest.raises(ProtocolError):
        collect_message(succeeded_message(path.replace("OWN", str(own))), own)
    assert list((own.parent / "task").iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_result_must_have_the_requested_format(kind: OutputFormat, own: Path) -> None:
    alpha = bgr(40, 30)[:, :, 0].copy()
    for plain in (Picture(bgr(40, 30)), Picture(bgr(40, 30), alpha), Picture(alpha)):
        data = encode(plain, Encoding(kind))
        for requested in ("png", "jpeg", "webp"):
            (own / "made").write_bytes(data)
            message = succeeded_message(f"{own}/made", data=data)
            if requested == kind:
                assert collect_message(message, own, format=requested)["results"][0][
                    "bytes"
                ] == len(data)
            else:
                with pytest.raises(ProtocolError, match=f"not a {requested} file"):
                    collect_message(message, own, format=requested)


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_an_animation_has_the_frames_that_were_asked_for(kind: OutputFormat, own: Path) -> None:
    data = animations.moving(kind.upper())
    for frames in (1, 4, 5):
        (own / "made").write_bytes(data)
        message = succeeded_message(f"{own}/made", data=data)
        if frames == 5:
            (result,) = collect_message(message, own, format=kind, frames=frames)["results"]
            assert result["bytes"] == len(data)
        else:
            with pytest.raises(ProtocolError, match=f"not a {kind} file"):
                collect_message(message, own, format=kind, frames=frames)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"width": 41}, "40 x 30, not 41 x 30"),
        ({"height": 31}, "40 x 30, not 40 x 31"),
        ({"sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_reported_size_and_hash_must_match_the_file(change: Any, why: str, own: Path) -> None:
    with pytest.raises(ProtocolError, match=why):
        collect_message(succeeded_message(f"{own}/result-1.png", **change), own)


@pytest.mark.parametrize("data", [b"", b"<html>", PNG[:-20], PNG[:33] + PNG[-12:]])
def test_incomplete_file_is_refused(data: bytes, own: Path) -> None:
    (own / "made").write_bytes(data)
    with pytest.raises(ProtocolError, match="not a png file"):
        collect_message(succeeded_message(f"{own}/made", data=data), own)


@pytest.mark.parametrize("data", [JPEG[:-2], JPEG[:-40]])
def test_jpeg_without_its_end_is_refused(data: bytes, own: Path) -> None:
    (own / "made").write_bytes(data)
    message = succeeded_message(f"{own}/made", data=data)
    with pytest.raises(ProtocolError, match="not a jpeg file: its end is missing"):
        collect_message(message, own, format="jpeg")


def test_final_message_must_match_the_request(own: Path) -> None:
    path = f"{own}/result-1.png"
    report: dict[str, Any] = {"ms": {}, "upscales": []}
    for change, request_fields in (
        ({"results": []}, {}),
        ({"results": [file_message(path), file_message(path)]}, {}),
        ({}, {"result_count": 2}),
        ({"kept": {"1": file_message(path)}}, {}),
        ({"kept": {"3": file_message(path)}}, {"keep": [1, 2]}),
        ({"report": report}, {}),
        ({}, {"report": True}),
    ):
        with pytest.raises(ProtocolError):
            collect_message(succeeded_message(path) | change, own, **request_fields)
    with pytest.raises(ProtocolError):
        collect(Progress(progress=1), Request("", "", [], "png"), own)
    assert (
        collect_message(succeeded_message(path) | {"report": report}, own, report=True)["report"]
        == report
    )


def test_error_and_defect_are_passed_on(own: Path) -> None:
    error = {"error": {"code": "bad_image", "detail": "broken", "limit": 3}}
    assert collect_message(error, own) == error
    assert collect_message({"defect": "Traceback"}, own) == {"defect": "Traceback"}


def test_a_file_that_has_grown_is_refused(own: Path, tmp_path: Path) -> None:
    path = own / "result-1.png"
    path.write_bytes(PNG)
    message = parse_message(json.dumps(succeeded_message(str(path))).encode())
    request = Request("", str(tmp_path), [], "png")
    with pytest.raises(ProtocolError, match=f"{len(PNG)} bytes, where all had {len(PNG) - 1}"):
        collect(message, request, own, len(PNG) - 1)
    assert collect(message, request, own, len(PNG))["results"][0]["bytes"] == len(PNG)


def test_bytes_in_a_folder_are_those_of_a_few_files(own: Path) -> None:
    clear_folder(own)
    assert bytes_in(own) == 0
    for number in range(16):
        (own / str(number)).write_bytes(bytes(number))
    assert bytes_in(own) == sum(range(16))
    (own / "many").touch()
    assert bytes_in(own) == math.inf


@pytest.mark.parametrize("make", ["mkdir", "mkfifo", "symlink"])
def test_other_entries_than_files_count_as_many(own: Path, make: str) -> None:
    clear_folder(own)
    other = own / "other"
    if make == "symlink":
        other.symlink_to("/dev/zero")
    else:
        getattr(os, make)(other)
    assert bytes_in(own) == math.inf


def test_clear_folder_deletes_everything_inside(own: Path) -> None:
    (own / "folder" / "more").write_text("a")
    clear_folder(own)
    assert list(own.iterdir()) == []
    assert (own.parent / "secret").read_text() == "mongodb://user:secret@host/"
