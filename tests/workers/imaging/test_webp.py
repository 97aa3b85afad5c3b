"""WebP results: alpha and profile are kept, quality is applied, gray becomes colour."""

from __future__ import annotations

import io
import tempfile

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.errors import BadImage, TooManyPixels, UnsupportedFormat
from models.images.inspect import check_side, result_size
from models.operations import Encoding
from tests.support import images
from tests.workers.imaging import encode
from tests.workers.operations import bgr
from workers.imaging.picture import Picture

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written(picture: Picture, quality: int | None = None) -> Image.Image:
    return images.decoded(encode(picture, Encoding("webp", quality)))


def test_colours_are_kept() -> None:
    image = written(Picture(bgr(120, 90)))
    assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (120, 90))
    assert images.psnr(np.asarray(image), images.scene(120, 90)) > 22
    flat = written(Picture(np.full((32, 32, 3), (30, 60, 200), np.uint8)))
    assert np.abs(np.asarray(flat).astype(int) - (200, 60, 30)).max() <= 3


def test_alpha_and_profile_are_kept() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (50, 60), dtype=np.uint8)
    for pixels in (bgr(), bgr()[:, :, 0].copy()):
        image = written(Picture(pixels, alpha, ICC))
        assert image.mode == "RGBA"
        assert (np.asarray(image)[:, :, 3] == alpha).all()
    assert written(Picture(bgr(), None, ICC)).info["icc_profile"] == ICC


def test_gray_becomes_colour_without_a_profile_that_does_not_fit() -> None:
    plane = np.full((20, 30), 77, np.uint8)
    for icc in (None, ICC, b"junk"):
        image = written(Picture(plane, icc=icc))
        assert "icc_profile" not in image.info
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - 77).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_keeps_every_sample(channels: int) -> None:
    """Those of hidden pixels, too."""
    samples = np.random.default_rng(3).integers(0, 256, (40, 50, channels), dtype=np.uint8)
    pixels = samples[:, :, 0] if channels < 3 else samples[:, :, :3]
    alpha = None if channels % 2 else samples[:, :, -1] * (samples[:, :, -1] > 99)
    image = images.decoded(encode(Picture(pixels, alpha), Encoding("webp", "lossless")))
    assert image.format == "WEBP"
    back = np.asarray(image.convert("RGB" if alpha is None else "RGBA"))
    assert (back[:, :, 2::-1] == (pixels[:, :, None] if channels < 3 else pixels)).all()
    assert alpha is None or (back[:, :, 3] == alpha).all()


def test_quality_changes_the_file_size() -> None:
    sizes = [len(encode(Picture(bgr(120, 90)), Encoding("webp", q))) for q in (1, 50, None, 100)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    jpegs = [len(encode(Picture(bgr(120, 90)), Encoding("jpeg", q))) for q in (1, 50, None, 100)]
    assert jpegs == sorted(jpegs)
    assert len(set(jpegs)) == 4


def test_views_and_odd_sizes_are_written() -> None:
    source = Picture(bgr(61, 51), bgr(61, 51)[:, :, 1])
    for output in ("png", "jpeg", "webp"):
        data = encode(source.window(3, 5, 17, 13), Encoding(output))
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (17, 13)


def test_sides_beyond_the_webp_maximum_are_refused() -> None:
    check_side(16_383, 1, "webp")
    with pytest.raises(TooManyPixels, match="WEBP holds at most 16383 .*; ask for format=png"):
        check_side(1, 16_384, "webp")
    with pytest.raises(BadImage, match="16384 x 1"):
        encode(Picture(np.zeros((1, 16_384, 3), np.uint8)), Encoding("webp"))


def size_of(data: bytes) -> tuple[int, int]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return result_size(file, "webp")


def samples() -> list[bytes]:
    alpha = bgr(61, 51)[:, :, 1].copy()
    made = [
        encode(picture, Encoding("webp"))
        for picture in (Picture(bgr(61, 51)), Picture(bgr(61, 51), alpha, ICC), Picture(alpha))
    ]
    return [*made, images.encoded(Image.fromarray(images.scene(61, 51)), "WEBP", lossless=True)]


def test_truncated_or_extended_files_are_refused() -> None:
    assert {data[12:16] for data in samples()} == {b"VP8 ", b"VP8L", b"VP8X"}
    for data in samples():
        assert size_of(data) == (61, 51)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            for end in range(len(data) - 1, -1, -1):
                file.truncate(end)
                with pytest.raises((BadImage, UnsupportedFormat)):
                    result_size(file, "webp")
        with pytest.raises(BadImage):
            size_of(data + b"<html>")
    assert size_of(encode(Picture(bgr(16_383, 1)), Encoding("webp"))) == (16_383, 1)


def test_animations_and_wrong_canvases_are_refused() -> None:
    still = Image.fromarray(images.scene(61, 51))
    moving = images.encoded(still, "WEBP", save_all=True, append_images=[still.rotate(90)])
    whole = bytearray(samples()[1])
    whole[24] += 1  # the canvas of VP8X
    for data in (moving, bytes(whole), b"RIFF\x04\0\0\0WEBP", b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0"):
        with pytest.raises(BadImage):
            size_of(data)
