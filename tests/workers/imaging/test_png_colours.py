"""Palettes and low depths are written again where the colours allow it, and only there."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from models.operations.upscale import Upscale
from tests.support import images
from tests.support.flat_pictures import drawing, page
from tests.support.png16 import results
from tests.workers.imaging.test_codec import ICC
from tests.workers.operations import apply
from workers.imaging import png_colours
from workers.imaging.picture import Picture

PALETTE, GRAY, GRAY_ALPHA, RGB = 3, 0, 4, 2
UNCHANGED = ("convert=png", "rotate=180")


def low_gray(depth: int, width: int = 64, height: int = 40, key: int | None = None) -> bytes:
    """Return a PNG of gray in ``depth`` bits, which Pillow does not write."""
    rng = np.random.default_rng(depth)
    values = np.repeat(rng.integers(0, 1 << depth, (height, width // 4 + 1), np.uint8), 4, axis=1)
    bits = np.unpackbits(values[:, :width, None], axis=2)[:, :, 8 - depth :].reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    head = struct.pack(">IIBBBBB", width, height, depth, GRAY, 0, 0, 0)
    transparent = b"" if key is None else images.chunk(b"tRNS", struct.pack(">H", key))
    data = images.chunk(b"IDAT", zlib.compress(rows, 9))
    start = b"\x89PNG\r\n\x1a\n" + images.chunk(b"IHDR", head) + transparent
    return start + data + images.chunk(b"IEND", b"")


def with_alpha(colours: int = 40) -> bytes:
    """Return a PNG with a palette in which some colours are transparent in part."""
    return images.encoded(
        drawing(colours), optimize=True, transparency=bytes(range(0, 250, 250 // colours))[:9]
    )


def seen(data: bytes) -> Any:
    """Return the picture as RGBA, by Pillow; OpenCV must read the same."""
    found = np.asarray(images.decoded(data).convert("RGBA"))
    other: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if other.ndim == 2 or other.shape[2] < 4:  # OpenCV ignores a transparent level of gray
        colours: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert (colours[:, :, ::-1] == found[:, :, :3]).all()
    else:
        assert (other[:, :, [2, 1, 0, 3]] == found).all()
    return found


KINDS = {
    "page": (images.encoded(page(), optimize=True), 1, GRAY),
    "page-key": (images.encoded(page(), transparency=0), 1, GRAY),
    "gray-1": (low_gray(1), 1, GRAY),
    "gray-2": (low_gray(2), 2, GRAY),
    "gray-4": (low_gray(4), 4, GRAY),
    "gray-2-key": (low_gray(2, key=2), 2, GRAY),
    "gray-4-key": (low_gray(4, key=15), 4, GRAY),
    "2": (images.encoded(drawing(2), optimize=True), 1, PALETTE),
    "4": (images.encoded(drawing(4), optimize=True), 2, PALETTE),
    "16": (images.encoded(drawing(16), optimize=True), 4, PALETTE),
    "17": (images.encoded(drawing(17), optimize=True), 8, PALETTE),
    "256": (images.encoded(drawing(256), optimize=True), 8, PALETTE),
    "alpha": (with_alpha(), 8, PALETTE),
    "dithered": (
        images.encoded(Image.fromarray(images.scene(200, 150)).quantize(64), optimize=True),
        8,
        PALETTE,
    ),
}


@pytest.mark.parametrize("operation", UNCHANGED)
@pytest.mark.parametrize("kind", KINDS)
def test_few_colours_stay_few_bytes(tmp_path: Path, kind: str, operation: str) -> None:
    data, depth, colour_type = KINDS[kind]
    ((output, written),) = results(tmp_path, data, operation)
    assert (written[24], written[25]) == (depth, colour_type)
    assert len(written) < 1.2 * len(data)
    expected = seen(data)
    assert (seen(written) == (expected[::-1, ::-1] if "rotate" in operation else expected)).all()
    assert (output.width, output.height) == images.decoded(data).size


@pytest.mark.parametrize("width", range(1, 18))
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_every_width_is_packed(tmp_path: Path, depth: int, width: int) -> None:
    data = low_gray(depth, width, 3)
    ((_, written),) = results(tmp_path, data, "rotate=180")
    assert written[24] <= depth  # narrow ones have fewer levels
    assert (seen(written) == seen(data)[::-1, ::-1]).all()


def test_profile_and_palette_together(tmp_path: Path) -> None:
    ((_, written),) = results(tmp_path, images.encoded(drawing(5), icc_profile=ICC), "convert=png")
    assert written[25] == PALETTE
    assert images.decoded(written).info["icc_profile"] == ICC
    kinds = [written.index(kind) for kind in (b"IHDR", b"iCCP", b"PLTE", b"IDAT")]
    assert kinds == sorted(kinds)


def test_more_colours_are_written_whole(tmp_path: Path) -> None:
    data = images.encoded(Image.fromarray(images.scene(200, 150)).quantize(200))
    ((_, written),) = results(tmp_path, data, "blur=9")
    assert (written[24], written[25]) == (8, RGB)


def test_gif_becomes_a_png_with_a_palette(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    drawing(12).save(buffer, "GIF")
    ((_, written),) = results(tmp_path, buffer.getvalue(), "convert=png")
    assert (written[24], written[25]) == (4, PALETTE)


def test_full_colours_stay_full(tmp_path: Path) -> None:
    """Programs that asked for RGB get no palette, however few colours there are."""
    for mode, colour_type in (("RGB", RGB), ("L", GRAY), ("LA", GRAY_ALPHA), ("RGBA", 6)):
        ((_, written),) = results(tmp_path, images.encoded(page().convert(mode)), "convert=png")
        assert (written[24], written[25]) == (8, colour_type)


def test_gray_of_a_palette_is_gray(tmp_path: Path) -> None:
    ((_, written),) = results(tmp_path, images.encoded(drawing(16)), "grayscale")
    assert written[25] == GRAY


@pytest.mark.parametrize(
    ("hidden", "visible", "opacity"),
    [((0, 9), (255,), 255), ((0,), (0, 255), 255), ((0,), (9,), 7)],
)
def test_gray_with_more_than_a_transparent_level(
    hidden: tuple[int, ...], visible: tuple[int, ...], opacity: int
) -> None:
    pixels = np.array([[*hidden, *visible] * 40] * 30, np.uint8)
    alpha = np.array([[*(0 for _ in hidden), *(opacity for _ in visible)] * 40] * 30, np.uint8)
    assert png_colours.reduce(Picture(pixels, alpha)) is None


def test_tiny_pictures_have_no_palette() -> None:
    """It would be longer than what it saves."""
    assert png_colours.reduce(Picture(images.scene(9, 9))) is None


def test_upscaled_pictures_have_no_palette() -> None:
    enlarged = apply(Picture(images.scene(), few_colours=True), Upscale(model="darkroom-fast"))
    assert not enlarged.few_colours
