"""Print resolution: kept by every operation and format, and scaled where a print keeps its size."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.images.exif import PREFIX
from models.operations import OPERATIONS
from tests.support import images
from tests.workers.imaging.test_picture_promises import process, with_chunk
from workers.imaging import exif_writer, notes
from workers.imaging.resolution import Resolution

KEPT = (
    "convert=png",
    "rotate=180",
    "flip=vertical",
    '{"op": "crop", "width": 9, "height": 7}',
    "grayscale",
    "smartcrop",
    "trim",
)
OPERATION = {  # factors across and down
    **dict.fromkeys((*KEPT, "blur=3", "sharpen", "adjust", "thumbnail=20", "restore"), (1, 1)),
    '{"op": "watermark", "text": "x", "size": 25}': (1, 1),
    "upscale=2": (2, 2),
    "resize=0.5": (0.5, 0.5),
    '{"op": "resize", "width": 13}': (13 / 40, 13 / 40),
    '{"op": "resize", "height": 10}': (1 / 3, 1 / 3),
    '{"op": "resize", "width": 13, "height": 10}': (13 / 40, 13 / 40),
    '{"op": "resize", "width": 40, "height": 60}': (1, 2),
}


def dpi(image: Image.Image) -> tuple[float, float]:
    """Return what the file says; a WebP says it in EXIF."""
    exif = image.getexif()
    found = image.info.get("dpi") or (float(exif[0x011A]), float(exif[0x011B]))
    return (float(found[0]), float(found[1]))


def test_each_operation_is_tried() -> None:
    tried = {operation.partition("=")[0] for operation in OPERATION}
    assert {*OPERATIONS} - {op for op in OPERATIONS if any(op in each for each in tried)} == {
        "split"
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("operation", OPERATION)
@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
def test_kept_or_scaled(tmp_path: Path, kind: str, operation: str, output: str) -> None:
    if operation.startswith("convert"):
        operation = f"convert={output}"
    across, down = OPERATION.get(operation, (1, 1))
    data = images.encoded(Image.fromarray(images.scene()), kind, dpi=(300, 240))
    result, made = process(tmp_path, data, operation, output=output)
    expected = (300 * across, 240 * down)
    assert dpi(result) == pytest.approx(expected, abs=0.51 if output == "jpeg" else 0.02)
    shown = Resolution(*expected)
    assert made.notes == (
        () if output != "webp" else (notes.RESOLUTION_IN_EXIF.format(shown, "WebP"),)
    )


@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
def test_quarter_turns_swap_it(tmp_path: Path, output: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    fax: dict[str, Any] = {"dpi": (204, 98)}
    for data, operation, turned in (
        (images.jpeg(**fax), "rotate=90", True),
        (images.png(**fax), "rotate=-90", True),
        (images.jpeg(**fax), "rotate=180", False),
        (images.jpeg(**fax, exif=exif), "grayscale", True),
        (images.jpeg(**fax, exif=exif), "rotate=90", False),
    ):
        result, _ = process(tmp_path, data, operation, output=output)
        expected = (98, 204) if turned else (204, 98)
        assert dpi(result) == pytest.approx(expected, abs=0.02)


def test_every_part_of_a_split_has_it(tmp_path: Path) -> None:
    data = images.png(dpi=(300, 300))
    result, _ = process(tmp_path, data, '{"op": "crop", "width": 20, "height": 20}', "upscale=2")
    assert dpi(result) == pytest.approx((600, 600), abs=0.02)
    scaled, _ = process(tmp_path, images.jpeg(1600, 1200, dpi=(300, 300)), "thumbnail=100")
    assert dpi(scaled) == pytest.approx((300, 300), abs=0.02)
    scaled, _ = process(
        tmp_path, images.jpeg(1601, 1201, dpi=(300, 300)), '{"op": "resize", "width": 100}'
    )
    assert dpi(scaled) == pytest.approx((300 * 100 / 1601,) * 2, abs=0.02)


def with_exif(x: Any, y: Any, unit: int | None, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B] = x, y
    if unit is not None:
        exif[0x0128] = unit
    return images.encoded(Image.fromarray(images.scene()), kind, exif=exif)


def jfif(data: bytes, unit: int, x: int, y: int) -> bytes:
    return data[:13] + struct.pack(">BHH", unit, x, y) + data[18:]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (jfif(images.jpeg(), 1, 300, 300), (300, 300)),
        (jfif(images.jpeg(), 2, 100, 118), (254, 299.72)),
        (with_exif(240, 240, 2), (240, 240)),
        (with_exif(100, 200, 3), (254, 508)),
        (with_exif(240, 240, None), (240, 240)),
        (with_exif(72, 72, 2), (72, 72)),
        (with_exif(240, 240, 2, "PNG"), (240, 240)),
        (jfif(with_exif(240, 240, 2), 1, 300, 300), (300, 300)),  # the format's own comes first
        (jfif(with_exif(240, 240, 2), 1, 0, 0), (240, 240)),
        (with_chunk(with_exif(240, 240, 2, "PNG"), b"pHYs", b"\0\0\x2e\x23\0\0\x2e\x23\1"), 300),
    ],
)
def test_every_header_that_says_it_is_read(tmp_path: Path, data: bytes, expected: Any) -> None:
    result, _ = process(tmp_path, data, "blur=3")
    pair = expected if isinstance(expected, tuple) else (expected, expected)
    assert dpi(result) == pytest.approx(pair, abs=0.03)


def test_photoshop_resources_say_it(tmp_path: Path) -> None:
    body = struct.pack(">IHHIHH", 300 << 16, 1, 2, 300 << 16, 1, 2)
    resource = b"Photoshop 3.0\x008BIM\x03\xed\0\0" + struct.pack(">I", len(body)) + body
    segment = b"\xff\xed" + struct.pack(">H", len(resource) + 2) + resource
    result, _ = process(tmp_path, images.jpeg(extra=segment), "blur=3")
    assert dpi(result) == pytest.approx((300, 300), abs=0.02)


@pytest.mark.parametrize(
    "data",
    [
        images.png(),
        images.jpeg(),
        jfif(images.jpeg(), 1, 1, 1),
        jfif(images.jpeg(), 1, 0, 300),
        jfif(images.jpeg(), 0, 7, 7),
        jfif(images.jpeg(), 9, 300, 300),
        with_chunk(images.png(), b"pHYs", bytes(8) + b"\1"),
        with_chunk(images.png(), b"pHYs", b"\xff" * 8 + b"\1"),
        with_chunk(images.png(), b"pHYs", struct.pack(">IIB", 11811, 0, 1)),
        with_chunk(images.png(), b"pHYs", struct.pack(">IIB", 5, 5, 0)),
    ],
)
def test_what_cannot_be_meant_is_passed_over(tmp_path: Path, data: bytes) -> None:
    for output in ("png", "jpeg", "webp"):
        result, made = process(tmp_path, data, "blur=3", output=output)
        assert not result.info.keys() & {"dpi", "aspect"} and not result.getexif()
        assert made.notes == ()


@pytest.mark.parametrize("rational", [(0, 0), (300, 0), (0, 1), (1, 1000), (0xFFFFFFFF, 1)])
def test_broken_fractions_are_passed_over(tmp_path: Path, rational: tuple[int, int]) -> None:
    exif = bytearray(exif_writer.build({}))
    place = exif.index(struct.pack(">II", 72, 1))
    struct.pack_into(">IIII", exif, place, *rational, *rational)
    data = images.encoded(Image.fromarray(images.scene()), "JPEG", exif=PREFIX + bytes(exif))
    result, made = process(tmp_path, data, "blur=3")
    assert "dpi" not in result.info and made.notes == ()


@pytest.mark.parametrize("data", [jfif(images.jpeg(), 0, 2, 1), None])
def test_a_ratio_without_unit_is_kept(tmp_path: Path, data: bytes | None) -> None:
    body = struct.pack(">IIB", 4, 2, 0)
    source = data or with_chunk(images.png(), b"pHYs", body)
    result, made = process(tmp_path, source, "upscale=2", output="png")
    assert result.info["aspect"] == (2, 1) and made.notes == ()
    result, made = process(tmp_path, source, "rotate=90", output="jpeg")
    assert (result.info["jfif_unit"], result.info["jfif_density"]) == (0, (1, 2))
    result, made = process(tmp_path, source, "blur=3", output="webp")
    exif = result.getexif()
    assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (2, 1, 1)
    assert made.notes == (notes.RESOLUTION_IN_EXIF.format("2:1", "WebP"),)


def test_a_ratio_comes_before_the_usual_default(tmp_path: Path) -> None:
    for dots, ratio in ((72, (2, 1)), (240, None)):
        jpeg = jfif(with_exif(dots, dots, 2), 0, 2, 1)
        png = with_chunk(with_exif(dots, dots, 2, "PNG"), b"pHYs", struct.pack(">IIB", 2, 1, 0))
        for data in (jpeg, png):
            result, _ = process(tmp_path, data, "blur=3")
            assert result.info.get("aspect") == ratio
            assert ratio or dpi(result) == pytest.approx((240, 240), abs=0.02)


def test_what_a_format_cannot_hold_is_a_note(tmp_path: Path) -> None:
    for scale, found in ((9, 63_000), (10, None)):
        data = images.jpeg(4, 4, dpi=(7000, 7000))
        result, made = process(tmp_path, data, f"resize={scale}", output="jpeg")
        assert result.info.get("dpi", (None,))[0] == found
        shown = f"{7000 * scale} dpi"
        lost = notes.RESOLUTION_LOST.format(shown, "JPEG")
        assert made.notes == ((lost,) if found is None else ())
    huge = Resolution(1e12, 1e12)
    assert huge.phys() is None and huge.jfif() is None
    assert Resolution(0.01, 0.01).phys() is None
    assert Resolution(1.0, 1e6, absolute=False).jfif() is None
    exif = exif_writer.updated(exif_writer.build({}), (1, 1), (Fraction(10**12),) * 2 + (2,))
    assert exif == exif_writer.build({})  # what does not fit is left as it is


def test_the_usual_default_is_no_note(tmp_path: Path) -> None:
    """Cameras write 72 where they know none: each of their pictures would have the note."""
    result, made = process(tmp_path, with_exif(72, 72, 2), "blur=3", output="webp")
    assert dpi(result) == (72, 72) and made.notes == ()
    assert np.asarray(result).shape == (30, 40, 3)
