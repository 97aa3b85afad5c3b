"""Flat pictures are compressed as such, photographs as before; every layout is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from tests.support import images
from tests.support.flat_pictures import gradient, screenshot, tiles
from tests.workers.imaging import encode
from workers.imaging.picture import Picture

PHOTOGRAPHS = sorted((Path(__file__).parents[2] / "photographs").glob("*.png"))
FLAT = {"screenshot": screenshot(), "gradient": gradient(), "tiles": tiles()}


def picture_of(image: Image.Image, mode: str) -> Picture:
    """Return it as ``mode``, whose alpha is that of a hole in it; ``;16``: 16 bits a sample."""
    gray = mode.startswith("L")
    pixels = np.asarray(image.convert("L") if gray else image)
    pixels = pixels if gray else np.ascontiguousarray(pixels[:, :, ::-1])
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[40:90, 50:200] = 0
    wide = mode.endswith(";16")
    planes = [plane.astype(np.uint16) * 257 if wide else plane for plane in (pixels, alpha)]
    return Picture(planes[0], planes[1] if "A" in mode else None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
@pytest.mark.parametrize("name", FLAT)
def test_flat_pictures_stay_small(name: str, mode: str) -> None:
    picture = picture_of(FLAT[name], mode)
    data = encode(picture, Encoding("png"))
    smallest = len(images.encoded(images.decoded(data), optimize=True))
    assert len(data) < 1.2 * smallest
    found = np.asarray(images.decoded(data))
    assert images.decoded(data).mode == mode
    colours = found if found.ndim == 2 else found[:, :, 0] if mode == "LA" else found[:, :, 2::-1]
    assert (colours == picture.pixels).all()
    assert picture.alpha is None or (found[:, :, -1] == picture.alpha).all()


@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16", "L;16", "LA;16"])
def test_flat_pictures_of_16_bits(mode: str) -> None:
    picture = picture_of(screenshot(), mode)
    data = encode(picture, Encoding("png"))
    assert data[24] == 16
    assert len(data) < 0.91 * len(as_runs(picture.pixels))
    back: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if mode == "LA;16":  # which OpenCV reads as BGRA
        assert (back[:, :, 0] == picture.pixels).all() and (back[:, :, 3] == picture.alpha).all()
    else:
        assert (back[:, :, :3] if "A" in mode else back).tobytes() == picture.pixels.tobytes()


def as_runs(samples: Any) -> bytes:
    """Return what OpenCV makes of it as a photograph: run lengths, Paeth."""
    flags = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    flags += [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]
    return bytes(cv2.imencode(".png", samples, flags)[1])


def is_fast(data: bytes) -> bool:
    """Tell whether it was compressed in the way of photographs: a zlib stream of ISA-L."""
    at = data.index(b"IDAT") + 4
    return data[at : at + 2] == b"\x78\x5e"


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_photographs(path: Path) -> None:
    """The fast way takes a quarter of the time of runs, and some bytes more."""
    pixels: Any = cv2.imread(str(path))
    for samples in (
        pixels,
        cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY),
        cv2.resize(pixels, None, fx=2, fy=2),
    ):
        picture, runs = Picture(np.asarray(samples)), len(as_runs(samples))
        data = encode(picture, Encoding("png"))
        assert is_fast(data) and len(data) < 1.2 * runs
        assert len(encode(picture, Encoding("png"), writing(2))) < 1.01 * runs


def photograph(width: int, height: int) -> Image.Image:
    return Image.open(PHOTOGRAPHS[0]).convert("RGB").resize((width, height))


def test_photograph_in_a_screenshot() -> None:
    image = screenshot(960, 600)
    image.paste(photograph(300, 240), (330, 180))
    data = encode(picture_of(image, "RGB"), Encoding("png"))
    assert len(data) < 1.2 * len(images.encoded(image, optimize=True))
    assert (np.asarray(images.decoded(data)) == np.asarray(image)).all()


def test_photograph_with_bars_is_a_photograph() -> None:
    """Settings for flat pictures would take several times as long for a few percent."""
    image = Image.new("RGB", (640, 480))
    image.paste(photograph(640, 360), (0, 60))
    picture = picture_of(image, "RGB")
    assert is_fast(encode(picture, Encoding("png")))


def test_levels(tmp_path: Path) -> None:
    def size(level: int) -> int:
        return len(encode(picture_of(screenshot(), "RGB"), Encoding("png"), writing(level)))

    assert size(0) > 640 * 400 * 3
    assert size(9) <= size(6) <= size(2) <= size(1)


def writing(level: int) -> EncoderSettings:
    return EncoderSettings(png_level=level)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (5000, 4)])
@pytest.mark.parametrize("mode", ["RGB", "LA", "LA;16"])
def test_every_shape(size: tuple[int, int], mode: str) -> None:
    picture = picture_of(screenshot(640, 400).resize(size), mode)
    assert images.decoded(encode(picture, Encoding("png"))).size == size
