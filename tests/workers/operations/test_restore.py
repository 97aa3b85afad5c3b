"""The restore operation: less noise, no blocks, same size, light and alpha as they were."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.errors import WeightsMissing
from models.networks.catalogue import Catalogue
from models.operations.photo import PHOTO
from models.operations.restore import Restore
from tests.workers.operations import apply, bgr, tools
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools

RNG = np.random.default_rng(5)


def noisy(sigma: float = 12) -> Pixels:
    """Return slopes of colour with noise, 96 x 80."""
    y, x = np.mgrid[:80, :96]
    clean = np.stack([60 + x, 90 + y, 180 - x], axis=2)
    return np.clip(clean + RNG.normal(0, sigma, clean.shape), 0, 255).astype(np.uint8)


def roughness(pixels: Pixels) -> float:
    """Return the mean square of what a blur would take away."""
    return float(np.square(pixels - cv2.blur(pixels.astype(np.float32), (3, 3))).mean())


def test_noise_is_taken_away_by_strength() -> None:
    before = noisy()
    rough = [
        roughness(np.asarray(apply(Picture(before), Restore(strength=each), tools()).pixels))
        for each in (0, 50, 100)
    ]
    assert rough[0] == roughness(before)
    assert rough[0] > 1.5 * rough[1] > 2 * rough[2]


def test_light_and_colours_of_larger_areas_stay() -> None:
    before = noisy()
    after = apply(Picture(before), Restore(strength=100), tools()).pixels
    assert after.shape == before.shape
    was, now = (
        cv2.resize(each.astype(np.float32), (3, 2), interpolation=cv2.INTER_AREA)
        for each in (before, after)
    )
    assert np.abs(was - now).max() < 3


def test_strength_blends_with_the_picture_itself() -> None:
    before = bgr(40, 30)
    whole, half = (
        apply(Picture(before), Restore(strength=each), tools()).pixels for each in (100, 50)
    )
    expected = (whole.astype(float) + before) / 2
    # Both give the input its light back, each by itself.
    assert np.abs(half - expected).mean() < 1.5


def test_alpha_gray_and_depth() -> None:
    alpha = np.arange(1200).reshape(30, 40).astype(np.uint8)
    source = Picture(bgr(40, 30), alpha, b"profile", jpeg_quality=40, few_colours=True)
    made = apply(source, Restore(), tools())
    assert made.alpha is not None
    assert (made.alpha == alpha).all()
    assert (made.icc, made.jpeg_quality, made.few_colours) == (b"profile", None, False)
    gray = bgr(40, 30)[:, :, 1]
    assert apply(Picture(np.ascontiguousarray(gray)), Restore(), tools()).pixels.shape == (30, 40)
    deep = Picture(bgr(40, 30).astype(np.uint16) * np.uint16(257))
    for strength in (0, 80):
        shallow = apply(deep, Restore(strength=strength), tools())
        assert shallow.pixels.dtype == np.uint8
        assert "reduced to 8 bits" in shallow.notes[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (2, 3), (13, 17)])
def test_tiny_and_odd_pictures(size: tuple[int, int]) -> None:
    result = apply(Picture(bgr(*size)), Restore(), tools())
    assert (result.width, result.height) == size


def test_progress_counts_tiles_which_leave_no_seam() -> None:
    shares: list[float] = []
    tiled = Tools(Catalogue.read(None), 32, shares.append)
    source = Picture(bgr(64, 40))
    made = apply(source, Restore(strength=60), tiled).pixels
    assert shares == [pytest.approx(n / 4) for n in range(1, 5)]
    whole = apply(source, Restore(strength=60), replace(tiled, tile_side=160)).pixels
    assert np.abs(made.astype(int) - whole).max() <= 1


def test_report_names_the_network() -> None:
    found: list[dict[str, object]] = []
    reporting = replace(tools(), report=found.append)
    apply(Picture(bgr(40, 30)), Restore(), reporting)
    assert (found[0]["model"], found[0]["scale"]) == (PHOTO, 1)


def test_a_worker_without_the_network_says_so() -> None:
    with pytest.raises(WeightsMissing, match="on this worker: "):
        apply(Picture(bgr()), Restore(), replace(tools(), catalogue=Catalogue([], {})))
