"""What a file holds beside its picture is a note: one test for each kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.operations import OPERATIONS
from tests.support import images, metadata
from tests.workers.imaging.test_picture_promises import process, with_chunk
from workers.imaging import losses, notes

GAIN_MAP_XMP = metadata.xmp("<a/>", 'hdrgm:Version="1.0"')


def scene(seed: int = 0) -> Image.Image:
    return Image.fromarray(images.scene(seed=seed))


def mpo(*more: Image.Image) -> bytes:
    return images.encoded(scene(), "MPO", save_all=True, append_images=list(more), quality=90)


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + metadata.segment(marker, body) + data[2:]


XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42"
MPO = mpo(scene(1).resize((20, 15)))
GIF = images.encoded(scene(), "GIF")
ANIMATED: dict[str, Any] = {"save_all": True, "append_images": [scene(1), scene(2)]}
SAID = notes.METADATA_KEPT_BY.format("XMP")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("second picture", MPO, (notes.FURTHER_PICTURES.format(2),)),
        ("third picture", mpo(scene(1), scene(2)), (notes.FURTHER_PICTURES.format(3),)),
        (
            "gain map (Ultra HDR)",
            with_segment(MPO, 0xE1, XMP_MARK + GAIN_MAP_XMP),
            (notes.GAIN_MAP, SAID),
        ),
        (
            "gain map (ISO 21496-1)",
            with_segment(MPO, 0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"),
            (notes.GAIN_MAP,),
        ),
        (
            "video",
            images.jpeg(xmp=metadata.xmp("<a/>", 'GCamera:MotionPhoto="1"')) + b"video",
            (notes.VIDEO, SAID),
        ),
        (
            "video (prefix of the specification)",
            images.jpeg(xmp=metadata.xmp("<a/>", 'Camera:MotionPhoto="1"')),
            (notes.VIDEO, SAID),
        ),
        (
            "video (XMP and film)",
            images.jpeg(xmp=metadata.xmp("<a/>", 'GCamera:MotionPhoto="1"')) + FILM,
            (notes.VIDEO, SAID),
        ),
        ("video (film alone)", images.jpeg() + bytes(70_000) + FILM, (notes.VIDEO,)),
        ("video (Samsung)", images.jpeg()[:-2] + b"\0\0MotionPhoto_Data", (notes.VIDEO,)),
        (
            "comment with a film's mark",
            images.jpeg(comment=FILM),
            (notes.METADATA.format("comments"),),
        ),
        ("animation (PNG)", images.encoded(scene(), **ANIMATED), (notes.FIRST_FRAME,)),
        ("animation (GIF)", images.encoded(scene(), "GIF", **ANIMATED), (notes.FIRST_FRAME,)),
        ("one frame (GIF)", GIF, ()),
        ("XMP", images.jpeg(xmp=metadata.xmp()), (SAID,)),
        ("EXIF", images.jpeg(exif=metadata.exif(thumbnail=False)), ("EXIF",)),
        ("IPTC", images.jpeg(extra=metadata.photoshop(0x0404, metadata.iptc())), ("IPTC",)),
        ("comment", images.jpeg(comment=b"hello"), (notes.METADATA.format("comments"),)),
        (
            "preview (EXIF)",
            images.jpeg(exif=metadata.exif()),
            (notes.EMBEDDED_PREVIEW, notes.METADATA_KEPT_BY.format("EXIF")),
        ),
        (
            "preview (EXIF in PNG)",
            images.png(exif=metadata.exif()),
            (notes.EMBEDDED_PREVIEW, notes.METADATA_KEPT_BY.format("EXIF")),
        ),
        (
            "preview (JFIF)",
            b"\xff\xd8"
            + metadata.segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\1\1" + bytes(3))
            + images.jpeg()[20:],
            (notes.EMBEDDED_PREVIEW,),
        ),
        (
            "preview (JFIF extension)",
            images.jpeg()[:20]
            + metadata.segment(0xE0, b"JFXX\0\x10" + metadata.THUMBNAIL)
            + images.jpeg()[20:],
            (notes.EMBEDDED_PREVIEW,),
        ),
        (
            "preview (Photoshop)",
            images.jpeg(extra=metadata.photoshop(0x040C, bytes(28) + metadata.THUMBNAIL)),
            (notes.EMBEDDED_PREVIEW,),
        ),
        (
            "content credentials (JPEG)",
            with_segment(images.jpeg(), 0xEB, b"JP\0\1\0\0\0\1....jumb....c2pa"),
            (notes.METADATA.format("content credentials"),),
        ),
        (
            "content credentials (PNG)",
            with_chunk(images.png(), b"caBX", b"....jumb....c2pa"),
            (notes.METADATA.format("content credentials"),),
        ),
        ("nothing (PNG)", images.png(), ()),
        ("nothing (JPEG)", images.jpeg(), ()),
    ],
)
@pytest.mark.parametrize("output", ["png", "jpeg"])
def test_each_part_is_a_note(
    tmp_path: Path, name: str, data: bytes, expected: tuple[str, ...], output: str
) -> None:
    said = tuple(notes.METADATA_KEPT_BY.format(e) if len(e) == 4 else e for e in expected)
    result, made = process(tmp_path, data, "rotate=180", output=output)
    assert made.notes == said, name
    assert sorted(result.size) == [30, 40] and getattr(result, "n_frames", 1) == 1


def test_an_orientation_alone_is_not_lost(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0xA002: 40, 0x9000: b"0232"}
    assert process(tmp_path, images.jpeg(exif=exif), "blur=3")[1].notes == ()


@pytest.mark.parametrize("rest", [b";", b",", b",\0\0\0", b"!\xf9\x04", b"\0\0", b"!\xff\x0b;"])
def test_what_breaks_behind_the_first_frame_does_not_cost_it(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "picture"
    path.write_bytes(GIF[:-1] + rest)
    with Image.open(path) as file:
        expected = np.asarray(Image.open(io.BytesIO(GIF)).convert("RGB"))
        assert losses.read(file, path) in {(), (notes.FIRST_FRAME,)}
        assert (np.asarray(file.convert("RGB")) == expected).all()


def test_every_operation_says_it(tmp_path: Path) -> None:
    for op, spec in OPERATIONS.items():
        if spec.parts == 1:
            fields = ", ".join(f'"{name}": "{value}"' for name, value in spec.example.items())
            operation = f'{{"op": "{op}"{", " if fields else ""}{fields}}}'
            data = with_segment(mpo(scene(1)), 0xE1, XMP_MARK + GAIN_MAP_XMP)
            large = images.encoded(scene().resize((110, 110)), "JPEG", xmp=GAIN_MAP_XMP)
            _, made = process(tmp_path, large if op == "crop" else data, operation)
            # What follows is the operation's own: letters of a watermark are small here.
            assert made.notes[:2] == (notes.GAIN_MAP, SAID), op
