"""The blur operation: an exact Gaussian, no dark fringes, refused parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFilter

from models.operations import parse
from models.operations.blur import Blur
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
from workers.imaging.picture import Picture


def gaussian(pixels: NDArray[Any], side: int, sigma: float) -> NDArray[Any]:
    """Return ``pixels`` blurred by the definition, in float64, mirrored at the border."""
    reach = side // 2
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    found = pixels.astype(float)
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(found.ndim)]
        wide = np.pad(found, pad, mode="reflect")
        length = found.shape[axis]
        found = sum(w * wide.take(range(n, n + length), axis=axis) for n, w in enumerate(weights))
    return found


@pytest.mark.parametrize(
    ("kernel", "sigma", "side", "used", "levels"),
    [
        (25, 0, 25, 0.3 * 11 + 0.8, 2),
        (9, 2.5, 9, 2.5, 2),
        (0, 3, 19, 3, 2),
        (0, 0.7, 7, 0.7, 1),
        (0, 12, 73, 12, 2),
        (0, 40, 241, 40, 3),
    ],
)
def test_blur_matches_the_gaussian_definition(
    kernel: int, sigma: float, side: int, used: float, levels: int
) -> None:
    """OpenCV uses weights in 256ths for 8-bit samples: fast, and off by these levels."""
    source = bgr(150, 120)
    expected = gaussian(source, side, used)
    result = apply(Picture(source), Blur(kernel=kernel, sigma=sigma)).pixels
    assert np.abs(result - expected).max() <= levels
    assert np.abs(result - expected).mean() < 1
    gray = apply(Picture(source[:, :, 1].copy()), Blur(kernel=kernel, sigma=sigma)).pixels
    assert (gray == result[:, :, 1]).all()


def test_blur_is_close_to_pillow() -> None:
    source = Picture(bgr(200, 160))
    expected = np.asarray(image(source).filter(ImageFilter.GaussianBlur(4)))[:, :, ::-1]
    inner = (slice(16, -16), slice(16, -16))  # Pillow extends the border differently
    result = apply(source, Blur(sigma=4)).pixels
    assert images.psnr(result[inner], expected[inner]) > 45


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("spec", [Blur(), Blur(kernel=25), Blur(kernel=3)])
def test_hidden_colour_leaves_no_fringe(spec: Blur, hidden: int) -> None:
    result = apply(half_hidden(hidden), spec)
    assert np.abs(visible(result).astype(int) - 200).max() <= 4
    assert np.abs(visible(result, 128).astype(int) - 200).max() <= 1


def test_alpha_is_blurred_like_a_plane() -> None:
    source = half_hidden(0)
    assert source.alpha is not None
    result = apply(source, Blur(sigma=3))
    plain = apply(Picture(source.alpha), Blur(sigma=3)).pixels
    assert result.alpha is not None
    assert np.abs(result.alpha.astype(int) - plain).max() <= 2


def test_colours_are_weighted_by_their_alpha() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (50, 60), dtype=np.uint8)
    result = apply(Picture(bgr(), alpha), Blur(sigma=2))
    weight = gaussian(alpha, 13, 2)
    expected = gaussian(bgr() * (alpha[:, :, None] / 255), 13, 2) * 255 / weight[:, :, None]
    assert np.abs(result.pixels - expected).max() <= 2


def test_opaque_alpha_changes_nothing() -> None:
    opaque = np.full((50, 60), 255, np.uint8)
    result = apply(Picture(bgr(), opaque), Blur())
    assert (result.pixels == apply(Picture(bgr()), Blur()).pixels).all()
    assert result.alpha is not None
    assert (result.alpha == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_pictures_smaller_than_the_kernel(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 77, np.uint8)
    alpha = np.full(pixels.shape[:2], 128, np.uint8)
    for spec in (Blur(kernel=255), Blur(sigma=40), Blur(kernel=255, sigma=40)):
        assert (apply(Picture(pixels), spec).pixels == 77).all()
        faint = apply(Picture(pixels, alpha), spec)
        assert np.abs(faint.pixels.astype(int) - 77).max() <= 1
        assert faint.alpha is not None
        assert (faint.alpha == 128).all()


@pytest.mark.parametrize("sigma", [5e-324, 1e-200, 0.05])
def test_tiny_sigma_changes_nothing(sigma: float) -> None:
    source = Picture(bgr(), bgr()[:, :, 0].copy())
    assert (apply(source, Blur(sigma=sigma)).pixels == source.pixels).all()


def test_missing_parameters_get_defaults() -> None:
    assert document("blur") == {"op": "blur", "kernel": 0, "sigma": 5.0}
    assert document("blur", kernel="25") == {"op": "blur", "kernel": 25, "sigma": 0.0}
    assert document("blur", sigma="3") == {"op": "blur", "kernel": 0, "sigma": 3.0}
    assert document("blur", sigma="3.0") == document("blur", sigma=3, kernel="0")
    assert str(document("blur", kernel="3", sigma="-0.0")) == str(document("blur", kernel="3"))


def test_labels() -> None:
    assert parse("blur", {"kernel": "25"}).label() == "blur-k25"
    assert parse("blur", {}).label() == "blur-s5"
    assert parse("blur", {"kernel": "9", "sigma": "2.5"}).label() == "blur-k9-s2.5"


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "1.5", "-1", "257", "1e9"])
def test_invalid_kernels_are_refused(value: Any) -> None:
    assert refusal("blur", kernel=value).startswith("blur: kernel: ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "-0.1", "40.001", 10**400])
def test_invalid_sigmas_are_refused(value: Any) -> None:
    assert refusal("blur", sigma=value).startswith("blur: sigma: ")


def test_refusals_say_what_would_pass() -> None:
    assert "odd side; 23 or 25 would pass (got '24')" in refusal("blur", kernel="24")
    assert "less than or equal to 255" in refusal("blur", kernel="9999")
    assert "an odd kernel up to 255 or a sigma up to 40" in refusal("blur", kernel="0")
    assert "both 0" in refusal("blur", kernel="0", sigma="0")
    assert "both 0" in refusal("blur", sigma="0")
    assert "unknown field 'radius'; known: kernel, sigma" in refusal("blur", radius="3")
