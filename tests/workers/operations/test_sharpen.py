"""The sharpen operation: the unsharp mask by its definition, tiles, alpha, refused parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFilter

from models.operations import parse
from models.operations.sharpen import Sharpen
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
from tests.workers.operations.test_blur import gaussian
from workers.imaging.picture import Picture, Samples
from workers.operations import sharpen as module


def unsharp(pixels: NDArray[Any], spec: Sharpen, white: int = 255) -> NDArray[Any]:
    """Return the unsharp mask by the definition, in float64."""
    side = 2 * int(np.ceil(3 * spec.radius)) + 1
    difference = pixels - gaussian(pixels, side, spec.radius)
    threshold = spec.threshold * white / 255
    kept = np.sign(difference) * np.maximum(abs(difference) - threshold, 0)
    sharp: NDArray[Any] = np.clip(pixels + kept * spec.amount / 100, 0, white)
    return sharp


SPECS = [
    Sharpen(),
    Sharpen(amount=500),
    Sharpen(radius=12, amount=60),
    Sharpen(radius=0.3, amount=300),
    Sharpen(radius=3, amount=200, threshold=10),
]


@pytest.mark.parametrize("spec", SPECS)
def test_sharpening_matches_the_definition(spec: Sharpen) -> None:
    source = bgr(90, 70)
    result = apply(Picture(source), spec).pixels
    assert np.abs(result - unsharp(source, spec)).max() <= 0.6
    gray = apply(Picture(source[:, :, 1].copy()), spec).pixels
    assert (gray == result[:, :, 1]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_16_bits_keep_all_of_them(spec: Sharpen) -> None:
    rng = np.random.default_rng(1)
    source: Samples = (bgr(60, 50).astype(np.uint16) * 257) ^ rng.integers(0, 128, (50, 60, 3), "H")
    result = apply(Picture(source), spec).pixels
    assert result.dtype == np.uint16
    assert np.abs(result - unsharp(source, spec, 65535)).max() <= 1 + spec.amount / 50


def test_sharpening_is_close_to_pillow() -> None:
    source = Picture(bgr(200, 160))
    filtered = image(source).filter(ImageFilter.UnsharpMask(2, 120, 0))
    expected = np.asarray(filtered)[:, :, ::-1]
    inner = (slice(16, -16), slice(16, -16))  # Pillow extends the border differently
    result = apply(source, Sharpen(radius=2, amount=120)).pixels
    assert images.psnr(result[inner], expected[inner]) > 35


@pytest.mark.parametrize("side", [7, 16, 33])
@pytest.mark.parametrize("alpha", [False, True])
def test_tiles_leave_no_seams(monkeypatch: pytest.MonkeyPatch, side: int, alpha: bool) -> None:
    rng = np.random.default_rng(0)
    source = Picture(bgr(61, 47), rng.integers(0, 256, (47, 61), "B") if alpha else None)
    for spec in (Sharpen(), Sharpen(radius=6, amount=300)):
        whole = apply(source, spec).pixels
        with monkeypatch.context() as patched:
            patched.setattr(module, "_TILE_SIDE", side)
            tiled = apply(source, spec).pixels
        assert np.abs(tiled.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("deep", [False, True])
def test_hidden_colour_leaves_no_fringe(deep: bool, hidden: int) -> None:
    source = half_hidden(hidden)
    assert source.alpha is not None
    if deep:
        wide = [each.astype(np.uint16) * 257 for each in (source.pixels, source.alpha)]
        source = Picture(wide[0], wide[1])
    result = apply(source, Sharpen(amount=500, radius=4))
    assert result.alpha is not None and result.alpha is source.alpha
    shown = result.pixels[result.alpha > 0].astype(int)
    assert np.abs(shown - 200 * (257 if deep else 1)).max() <= (16 if deep else 1)
    if not deep:
        assert visible(result).size


def test_colours_are_weighted_by_their_alpha() -> None:
    alpha = np.random.default_rng(0).integers(1, 256, (50, 60), dtype=np.uint8)
    spec = Sharpen(radius=2, amount=200)
    result = apply(Picture(bgr(), alpha), spec).pixels
    weight = gaussian(alpha, 13, 2)[:, :, None]
    blurred = gaussian(bgr() * alpha[:, :, None].astype(float), 13, 2) / weight
    assert np.abs(result - np.clip(3.0 * bgr() - 2 * blurred, 0, 255)).max() <= 0.6


def test_small_differences_stay_below_the_threshold() -> None:
    noise = np.random.default_rng(0).integers(125, 131, (40, 40), dtype=np.uint8)
    assert (apply(Picture(noise), Sharpen(amount=500, threshold=6)).pixels == noise).all()
    assert (apply(Picture(noise), Sharpen(amount=500)).pixels != noise).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_pictures_smaller_than_the_kernel(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 77, np.uint8)
    for alpha in (None, np.full(pixels.shape[:2], 128, np.uint8), np.zeros(pixels.shape[:2], "B")):
        result = apply(Picture(pixels, alpha), Sharpen(radius=40, amount=50))
        if alpha is None or alpha.any():
            assert (result.pixels == 77).all()


def test_documents_and_labels() -> None:
    assert document("sharpen") == {"op": "sharpen", "amount": 100, "radius": 1.5, "threshold": 0.0}
    assert document("sharpen", amount="80", radius="2") == document("sharpen", amount=80, radius=2)
    assert parse("sharpen", {}).label() == "sharpen-100-r1.5"
    assert parse("sharpen", {"amount": 50, "threshold": "2.5"}).label() == "sharpen-50-r1.5-t2.5"


def test_a_wide_radius_costs_more() -> None:
    assert Sharpen(radius=40).cost() > 5 * Sharpen().cost()


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "0", "501", "1.5", "-1"])
def test_invalid_amounts_are_refused(value: Any) -> None:
    assert refusal("sharpen", amount=value).startswith("sharpen: amount: ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "0", "0.2", "40.001", 10**400])
def test_invalid_radii_are_refused(value: Any) -> None:
    assert refusal("sharpen", radius=value).startswith("sharpen: radius: ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "-0.1", "255.5"])
def test_invalid_thresholds_are_refused(value: Any) -> None:
    assert refusal("sharpen", threshold=value).startswith("sharpen: threshold: ")


def test_unknown_fields_are_named() -> None:
    sentence = refusal("sharpen", sigma="3")
    assert "unknown field 'sigma'; known: amount, radius, threshold" in sentence
