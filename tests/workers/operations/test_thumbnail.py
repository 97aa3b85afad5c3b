"""The thumbnail operation: fits its box, keeps its aspect ratio, never grows, averages areas."""

from __future__ import annotations

import io
import math
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.operations import parse
from models.operations.thumbnail import Thumbnail
from tests.support import images
from tests.workers.operations import (
    NO_NUMBERS,
    NO_VALUES,
    apply,
    bgr,
    document,
    half_hidden,
    image,
    refusal,
    visible,
)
from workers.imaging import codec
from workers.imaging.picture import Picture

SIDES = st.integers(1, 30_000)


@given(SIDES, SIDES, SIDES, SIDES)
def test_thumbnail_fits_and_keeps_its_aspect_ratio(
    width: int, height: int, box: int, other: int
) -> None:
    ((w, h),) = Thumbnail(width=box, height=other).output_sizes(width, height)
    assert 1 <= w <= min(box, width)
    assert 1 <= h <= min(other, height)
    if (w, h) != (width, height):
        assert w == box or h == other
        factor = min(box / width, other / height)
        assert abs(w - width * factor) <= 1
        assert abs(h - height * factor) <= 1


@given(SIDES, SIDES, st.integers(1, 2000))
def test_rounding_is_exact(width: int, height: int, box: int) -> None:
    ((w, h),) = Thumbnail(width=box, height=box).output_sizes(width, height)
    if max(width, height) > box:
        exact = Fraction(box * min(width, height), max(width, height))
        assert max(w, h) == box
        assert min(w, h) == max(1, math.floor(exact + Fraction(1, 2)))


def test_thumbnail_averages_areas() -> None:
    source = bgr(400, 300)
    result = apply(Picture(source), Thumbnail())
    assert result.pixels.shape == (75, 100, 3)
    blocks = source.reshape(75, 4, 100, 4, 3).mean((1, 3))
    assert np.abs(result.pixels - blocks).max() <= 0.51


def test_thumbnail_is_close_to_pillow() -> None:
    source = Picture(bgr(431, 317))
    result = apply(source, Thumbnail())
    expected = image(source).resize((result.width, result.height), Image.Resampling.BOX)
    close = np.asarray(expected)[:, :, ::-1].copy()
    assert images.psnr(result.pixels, close) > 28
    assert cv2.quality.QualitySSIM_compute(result.pixels, close)[0][1] > 0.95  # type: ignore[attr-defined]


def test_small_pictures_are_unchanged() -> None:
    source = Picture(bgr(60, 50), bgr(60, 50)[:, :, 0].copy(), b"profile")
    result = apply(source, Thumbnail())
    assert (result.pixels == source.pixels).all()
    assert result.icc == b"profile"


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000), (3000, 2), (1, 1)])
def test_sides_are_at_least_one_pixel(size: tuple[int, int]) -> None:
    result = apply(Picture(np.full((size[1], size[0]), 9, np.uint8)), Thumbnail())
    assert min(result.width, result.height) >= 1
    assert max(result.width, result.height) <= 100
    assert (result.pixels == 9).all()


@pytest.mark.parametrize("hidden", [0, 255])
def test_hidden_colour_leaves_no_fringe(hidden: int) -> None:
    result = apply(half_hidden(hidden, side=43), Thumbnail(width=10, height=10))
    assert np.abs(visible(result).astype(int) - 200).max() <= 1


def rotated(photo: Image.Image, orientation: int, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", exif=exif, quality=90, **options)
    return buffer.getvalue()


@cache
def photograph(width: int, height: int) -> Image.Image:
    """Return soft shapes with fine texture, like a photograph, without one-pixel patterns."""
    rng = np.random.default_rng(7)
    small = rng.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(821, 627), (1001, 333), (647, 1203)])
def test_scaled_decoding_gives_the_same_result(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    path = tmp_path / "picture.jpg"
    for side, options in ((40, {}), (97, {"progressive": True}), (100, {"subsampling": 0})):
        path.write_bytes(rotated(photograph(*size), orientation, **options))
        spec = Thumbnail(width=side, height=side)
        whole, scaled = (
            codec.decode(path, 10**7),
            codec.decode(path, 10**7, spec.minimum_decode_size),
        )
        assert scaled.full_size == whole.size
        assert scaled.size == whole.size
        assert scaled.pixels.size < whole.pixels.size / 3
        a, b = apply(whole, spec), apply(scaled, spec)
        assert (b.full_size, b.content_box) == (None, None)
        assert a.size == b.size
        assert [a.size] == spec.output_sizes(*whole.size)
        assert images.psnr(a.pixels, b.pixels) > 40


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 8), st.integers(1, 60), SIDES)
def test_scaled_decoding_gives_the_predicted_size(
    width: int, height: int, orientation: int, box: int, other: int
) -> None:
    spec = Thumbnail(width=box, height=other)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jpg"
        path.write_bytes(rotated(Image.new("RGB", (width, height), (9, 200, 30)), orientation))
        picture = codec.decode(path, 10**6, spec.minimum_decode_size)
    full = (height, width) if orientation >= 5 else (width, height)
    assert picture.size == full
    result = apply(picture, spec)
    assert [result.size] == spec.output_sizes(*full)
    assert np.ptp(result.pixels.reshape(-1, 3), axis=0).max() <= 1


def test_scaled_decoding_of_photographs_gives_the_same_result(shared: Path) -> None:
    for path in sorted((shared / "images").glob("*.jpg")):
        for side in (20, 53, 100, 160):
            spec = Thumbnail(width=side, height=side)
            whole, scaled = (
                codec.decode(path, 10**7),
                codec.decode(path, 10**7, spec.minimum_decode_size),
            )
            assert images.psnr(apply(whole, spec).pixels, apply(scaled, spec).pixels) > 40


def test_scaled_decoding_of_gray_and_cmyk(tmp_path: Path) -> None:
    for mode in ("L", "CMYK"):
        path = tmp_path / f"{mode}.jpg"
        photograph(805, 603).convert(mode).save(path, quality=90)
        spec = Thumbnail()
        whole, scaled = (
            codec.decode(path, 10**7),
            codec.decode(path, 10**7, spec.minimum_decode_size),
        )
        assert scaled.full_size == (805, 603)
        assert images.psnr(apply(whole, spec).pixels, apply(scaled, spec).pixels) > 40


def test_other_pictures_are_decoded_in_full(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for data in (images.png(900, 700), images.jpeg(399, 300), images.jpeg(3000, 3)):
        path.write_bytes(data)
        picture = codec.decode(path, 10**7, Thumbnail().minimum_decode_size)
        assert (picture.full_size, picture.content_box) == (None, None)


def test_one_side_sets_both() -> None:
    assert document("thumbnail") == {"op": "thumbnail", "width": 100, "height": 100}
    assert document("thumbnail", width="200") == document("thumbnail", width=200, height="200")
    assert document("thumbnail", height="70.0") == document("thumbnail", width="70", height=70)
    assert parse("thumbnail", {"width": "200", "height": "50"}).label() == "thumbnail-200x50"


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "0", "-5", "1.5", "1000001"])
def test_invalid_sides_are_refused(value: Any) -> None:
    for name in ("width", "height"):
        assert refusal("thumbnail", **{name: value}).startswith(f"thumbnail: {name}: ")


def test_unknown_fields_are_named() -> None:
    sentence = refusal("thumbnail", size="3")
    assert "unknown field 'size'; known: width, height" in sentence
