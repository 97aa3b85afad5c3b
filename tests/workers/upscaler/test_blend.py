"""Two networks on each tile: their shares, their tiles, and which enlarges alpha."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.networks.catalogue import Catalogue, Weights
from models.operations import parse
from models.operations.photo import FAITHFUL, PHOTO
from tests.workers.operations import apply, bgr, tools
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.upscaler.blend import Blend
from workers.upscaler.openvino import OpenVINO
from workers.upscaler.sanity import DEFAULT_LIMITS, DENOISED_LIMITS

CATALOGUE = Catalogue.read(None)
BOTH = (CATALOGUE.find(PHOTO, 2), CATALOGUE.find(FAITHFUL, 2))


@pytest.mark.parametrize(("strength", "level"), [(0, 40), (25, 80), (80, 168), (100, 200)])
def test_shares_of_two_networks(strength: int, level: int) -> None:
    def run(weights: Weights, part: Pixels) -> Pixels:
        return np.full((8, 8), 200 if weights.name == PHOTO else 40, np.uint8)

    assert (Blend(BOTH, strength).enlarge(run, np.zeros((4, 4), np.uint8)) == level).all()


def test_at_scale_1_the_rest_is_the_picture() -> None:
    blend = Blend((CATALOGUE.find(PHOTO, 1),), 25)
    made = blend.enlarge(
        lambda weights, part: part + np.uint8(40), np.full((4, 4, 3), 100, np.uint8)
    )
    assert (made == 110).all()


def test_properties_follow_the_networks() -> None:
    blend, alone = Blend(BOTH, 80), Blend(BOTH[1:])
    assert blend.overlap == max(each.radius for each in BOTH)
    assert (blend.scale, blend.mends, blend.takes_luma) == (2, True, True)
    assert (alone.mends, Blend(BOTH[:1]).takes_luma) == (False, False)
    assert Blend((replace(BOTH[0], name="realesr-general-x4v3"),)).mends
    assert (blend.limits, alone.limits) == (DENOISED_LIMITS, DEFAULT_LIMITS)
    assert blend.of_alpha() == alone
    assert blend.tile_side(256, 10**6) == min(Blend((each,)).tile_side(256, 10**6) for each in BOTH)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_of_a_blend_leave_no_seam_and_engines_agree(scale: int) -> None:
    shares: list[float] = []
    small = Tools(CATALOGUE, 24, shares.append)
    asked = parse("upscale", {"quality": "photo", "scale": scale, "strength": 60})
    source = Picture(bgr(48, 24))
    tiled = apply(source, asked, small).pixels
    assert shares == [0.5, 1.0]
    whole = apply(source, asked, replace(small, tile_side=160)).pixels
    assert np.abs(tiled.astype(int) - whole).max() <= 2
    fast = apply(source, asked, replace(small, engine=OpenVINO())).pixels
    assert np.abs(tiled.astype(int) - fast).max() <= 2


def test_0_is_balanced_and_alpha_comes_from_the_faithful_network() -> None:
    alpha = np.clip(np.arange(48) * 8 - 60, 0, 255).astype(np.uint8) * np.ones((24, 1), np.uint8)
    source = Picture(bgr(48, 24), alpha)
    plain = apply(source, parse("upscale", {}), tools())
    for strength in (0, 80):
        asked = parse("upscale", {"quality": "photo", "strength": strength})
        made = apply(source, asked, tools())
        assert made.alpha is not None
        assert plain.alpha is not None
        assert (made.alpha == plain.alpha).all()
        assert (made.pixels == plain.pixels).all() == (strength == 0)
    gray = Picture(np.ascontiguousarray(bgr(20, 16)[:, :, 1]), alpha[:16, :20].copy())
    alone = apply(gray, parse("upscale", {"quality": "photo", "strength": 100}), tools())
    assert alone.pixels.shape == (32, 40)
    assert alone.alpha is not None


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (13, 17)])
def test_tiny_and_odd_pictures(size: tuple[int, int]) -> None:
    for quality in ("photo", "auto"):
        made = apply(Picture(bgr(*size)), parse("upscale", {"quality": quality, "scale": 3}))
        assert (made.width, made.height) == (3 * size[0], 3 * size[1])
