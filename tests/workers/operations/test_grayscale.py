"""The grayscale operation: luma, unchanged alpha, no unsuitable profile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.operations import Encoding, parse
from models.operations.grayscale import Grayscale
from tests.support import images
from tests.workers.imaging import encode
from tests.workers.operations import apply, bgr, document, image, refusal
from workers.imaging import icc_profile
from workers.imaging.picture import Picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gray_profile() -> bytes:
    """Return a profile whose header says gray, the only field that is read."""
    return SRGB[:16] + b"GRAY" + SRGB[20:]


def swapped_profile() -> bytes:
    """Return sRGB with red and blue primaries exchanged: a profile with a visible effect."""
    return SRGB.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")


def test_luma_equals_pillow() -> None:
    source = Picture(bgr())
    result = apply(source, Grayscale())
    assert result.pixels.shape == (50, 60)
    expected = np.asarray(image(source).convert("L")).astype(int)
    assert np.abs(result.pixels.astype(int) - expected).max() <= 1


def test_primaries_have_bt601_weights() -> None:
    primaries = np.eye(3, dtype=np.uint8)[None] * 255
    luma = apply(Picture(np.ascontiguousarray(primaries)), Grayscale()).pixels[0]
    assert luma.tolist() == [29, 150, 76]  # blue, green, red: 0.114, 0.587, 0.299


def test_alpha_and_gray_are_kept() -> None:
    alpha = np.arange(3000, dtype=np.uint32).reshape(50, 60).astype(np.uint8)
    result = apply(Picture(bgr(), alpha), Grayscale())
    assert result.alpha is not None
    assert (result.alpha == alpha).all()
    again = apply(result, Grayscale())
    assert (again.pixels == result.pixels).all()


def test_profile_is_applied_and_dropped() -> None:
    plain = apply(Picture(bgr()), Grayscale())
    tagged = apply(Picture(bgr(), icc=SRGB), Grayscale())
    assert tagged.icc is None
    assert np.abs(plain.pixels.astype(int) - tagged.pixels).max() <= 2
    high = np.ascontiguousarray(np.resize(bgr(), (1100, 60, 3)))
    whole = icc_profile.to_srgb(image(Picture(high)), swapped_profile()).convert("L")
    tall = apply(Picture(high, icc=swapped_profile()), Grayscale()).pixels
    assert np.abs(tall.astype(int) - np.asarray(whole)).max() <= 1
    other = apply(Picture(bgr(), icc=swapped_profile()), Grayscale())
    expected = icc_profile.to_srgb(image(Picture(bgr())), swapped_profile()).convert("L")
    assert np.abs(other.pixels.astype(int) - np.asarray(expected)).max() <= 1
    assert images.psnr(other.pixels, plain.pixels) < 30


@pytest.mark.parametrize("icc", [b"junk", SRGB[:200], gray_profile()])
def test_unsuitable_profile_is_ignored(icc: bytes) -> None:
    result = apply(Picture(bgr(), icc=icc), Grayscale())
    assert result.icc is None
    assert (result.pixels == apply(Picture(bgr()), Grayscale()).pixels).all()


def test_gray_pixels_keep_their_profile() -> None:
    plane = np.ascontiguousarray(bgr()[:, :, 0])
    assert apply(Picture(plane, icc=gray_profile()), Grayscale()).icc == gray_profile()


@pytest.mark.parametrize("output", ["png", "jpeg"])
def test_the_file_is_gray_and_valid(output: str) -> None:
    result = apply(Picture(bgr(), icc=SRGB), Grayscale())
    data = encode(result, Encoding(output))  # type: ignore[arg-type]
    with Image.open(io.BytesIO(data)) as written:
        assert written.mode == "L"
        assert "icc_profile" not in written.info


def test_grayscale_has_no_parameters() -> None:
    assert "unknown field 'level'; known: none" in refusal("grayscale", level="3")
    assert document("grayscale") == {"op": "grayscale"}
    assert parse("grayscale", {}).label() == "grayscale"
    assert parse("grayscale", {}).output_sizes(7, 5) == [(7, 5)]
