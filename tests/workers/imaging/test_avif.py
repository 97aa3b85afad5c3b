"""AVIF results: colours, alpha, gray and profile are kept; what a file cannot hold is said."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.errors import TooManyPixels
from models.images.encoder_settings import DEFAULT
from models.images.inspect import OutputFormat, check_side, result_size
from models.operations import Encoding
from tests.support import images
from tests.support.paths import ROOT
from tests.workers.imaging import encode
from tests.workers.operations import bgr
from workers.imaging import exif_writer, notes
from workers.imaging.metadata import Metadata
from workers.imaging.picture import Picture
from workers.imaging.resolution import Resolution
from workers.imaging.writer import write

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written(picture: Picture, quality: int | None = None) -> Image.Image:
    return images.decoded(encode(picture, Encoding("avif", quality)))


def test_colours_are_kept() -> None:
    image = written(Picture(bgr(120, 90), icc=ICC))
    assert (image.format, image.mode, image.size) == ("AVIF", "RGB", (120, 90))
    assert image.info["icc_profile"] == ICC
    assert images.psnr(np.asarray(image), images.scene(120, 90)) > 30
    flat = written(Picture(np.full((32, 32, 3), (30, 60, 200), np.uint8)))
    assert np.abs(np.asarray(flat).astype(int) - (200, 60, 30)).max() <= 3


def test_alpha_is_kept() -> None:
    alpha = np.tile(np.arange(60, dtype=np.uint8) * 4, (50, 1))
    for pixels in (bgr(60, 50), bgr(60, 50)[:, :, 0].copy()):
        image = written(Picture(pixels, alpha), 100)
        assert image.mode == "RGBA"
        assert np.abs(np.asarray(image)[:, :, 3].astype(int) - alpha).max() <= 3


def test_gray_stays_gray_with_its_profile() -> None:
    plane = np.full((20, 30), 77, np.uint8)
    image = written(Picture(plane, icc=b"any profile"))
    assert (image.mode, image.info["icc_profile"]) == ("L", b"any profile")
    assert np.abs(np.asarray(image).astype(int) - 77).max() <= 1


def test_what_it_cannot_hold_is_said(tmp_path: Path) -> None:
    path = tmp_path / "result"
    deep = Picture(bgr().astype(np.uint16) * 257, resolution=Resolution(300.0, 200.0))
    made = write(deep, Encoding("avif"), DEFAULT, path)
    assert made.notes == (
        notes.REDUCED_FOR_FORMAT,
        notes.RESOLUTION_IN_EXIF.format(deep.resolution, "AVIF"),
    )
    assert images.decoded(path.read_bytes()).getexif()[0x011A] == 300
    with path.open("rb") as file:
        assert result_size(file, "avif") == (made.width, made.height)


def test_a_photograph_is_smaller_than_as_jpeg_and_better_than_as_webp() -> None:
    with Image.open(ROOT / "tests" / "photographs" / "chelsea.png") as file:
        photograph = np.asarray(file.convert("RGB"))
    picture = Picture(np.ascontiguousarray(photograph[:, :, ::-1]))
    formats: tuple[OutputFormat, ...] = ("avif", "jpeg", "webp")
    avif, jpeg, webp = (encode(picture, Encoding(each)) for each in formats)
    assert len(avif) < 0.7 * len(jpeg)
    likeness = [images.psnr(np.asarray(images.decoded(data)), photograph) for data in (avif, webp)]
    assert likeness[0] > likeness[1]
    assert encode(picture, Encoding("avif")) == avif


def test_metadata_is_written_as_it_is() -> None:
    texts = {0x013B: b"Ann", 0x927C: bytes(range(200))}
    kept = Metadata(exif=exif_writer.build(texts), xmp=b"<x:xmpmeta/>")
    data = encode(Picture(bgr(), metadata=kept), Encoding("avif"))
    image = images.decoded(data)
    assert image.getexif()[0x013B] == "Ann"
    assert image.info["xmp"] == b"<x:xmpmeta/>"
    assert bytes(range(200)) in data


def test_the_longest_side() -> None:
    with pytest.raises(TooManyPixels, match="AVIF holds at most 32768 .*; ask for format=png"):
        check_side(1, 32_769, "avif")
    line = Picture(np.zeros((1, 32_768, 3), np.uint8))
    with tempfile.TemporaryFile() as file:
        file.write(encode(line, Encoding("avif")))
        file.flush()
        assert result_size(file, "avif") == (32_768, 1)
