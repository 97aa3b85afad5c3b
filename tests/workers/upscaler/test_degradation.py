"""Noise and JPEG compression are measured from the pixels alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.support.paths import PHOTOGRAPHS
from workers.imaging.picture import Pixels
from workers.upscaler.degradation import measure


def photograph(number: int = 0) -> Pixels:
    """Return 128 x 128 pixels of a photograph without noise or blocks: it was scaled down."""
    whole = cv2.imread(str(PHOTOGRAPHS[number]))
    assert whole is not None
    return np.asarray(cv2.resize(whole, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("number", range(3))
def test_a_clean_photograph_shows_no_jpeg(number: int) -> None:
    assert measure(photograph(number)).jpeg_quality is None


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("quality", [30, 40, 60, 75, 80])
def test_quality_is_read_from_decoded_pixels(number: int, quality: int) -> None:
    colour = jpeg(photograph(number), quality)
    for pixels in (colour, np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)):
        found = measure(pixels).jpeg_quality
        assert found is not None
        assert abs(found - quality) <= 3


@pytest.mark.parametrize("number", range(3))
def test_the_first_of_two_jpegs_is_found_on_the_same_grid_and_beside_it(number: int) -> None:
    bad = jpeg(photograph(number), 40)
    for top, left in ((0, 0), (3, 5), (7, 0)):
        found = measure(jpeg(np.ascontiguousarray(bad[top:, left:]), 92)).jpeg_quality
        assert found is not None
        assert abs(found - 40) <= 6, (top, left)


@pytest.mark.parametrize("sigma", [3, 5, 10])
def test_noise_is_measured_in_levels(sigma: float) -> None:
    flat = np.full((96, 96), 120, np.uint8)
    assert measure(flat).noise == 0
    assert measure(noisy(flat, sigma)).noise == pytest.approx(sigma, rel=0.1)
    for number in range(3):
        clean = photograph(number)
        found = measure(noisy(clean, sigma)).noise
        assert sigma * 0.85 < found < sigma * 1.2 + measure(clean).noise


def test_a_large_picture_is_measured_in_windows() -> None:
    tile = jpeg(photograph(), 40)
    large = np.ascontiguousarray(np.tile(tile, (8, 9, 1))[:1000, :1100])
    found = measure(large)
    assert found.jpeg_quality is not None
    assert abs(found.jpeg_quality - 40) <= 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1, 3), (7, 7), (8, 8, 3), (24, 17)])
def test_small_pictures_say_nothing(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert measure(pixels).jpeg_quality is None
    assert measure(pixels).noise >= 0
    assert measure(np.zeros(shape, np.uint8)).noise == 0
