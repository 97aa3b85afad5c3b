"""Light and flat colours of an enlarged picture are the input's; masks stay masks."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.operations.upscale import Upscale
from tests.workers.operations import tools
from workers.imaging.picture import Picture, Pixels
from workers.operations.upscale import upscale
from workers.upscaler.faithful import keep_light, keep_mask

Y, X = np.mgrid[:96, :112]


def dithered() -> Pixels:
    """Return a ramp in black and white, by Bayer's matrix of 4 x 4."""
    matrix = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
    return np.where(np.tile(matrix, (24, 28)) < X * 2, 255, 0).astype(np.uint8)


PATTERNS: dict[str, Pixels] = {
    "dithered": dithered(),
    "checkerboard": ((X + Y) % 2 * 255).astype(np.uint8),
    "faint checkerboard": (120 + (X + Y) % 2 * 16).astype(np.uint8),
    "dark checkerboard": ((X + Y) % 2 * 40).astype(np.uint8),
    "stripes": (X % 2 * 255).astype(np.uint8),
    "dots": ((X % 3 == 0) & (Y % 3 == 0)).astype(np.uint8) * np.uint8(255),
    "red checkerboard": np.dstack([X * 0, X * 0, (X + Y) % 2 * 255]).astype(np.uint8),
}


def largest_shift(before: Pixels, after: NDArray[Any]) -> float:
    """Return the largest change of the mean of a block of 16 x 16 input pixels, in levels."""
    size = (before.shape[1] // 16, before.shape[0] // 16)
    was, now = (
        cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for each in (before, after)
    )
    return float(np.abs(was - now).max())


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("quality", "scale"), [("fast", 3), ("balanced", 4)])
def test_light_of_patterns_is_kept(pattern: str, quality: str, scale: int) -> None:
    before = PATTERNS[pattern]
    after = upscale(Picture(before), Upscale(quality=quality, scale=scale), tools()).pixels
    assert largest_shift(before, after) <= 3
    assert abs(float(before.mean()) - float(after.mean())) <= 2


@pytest.mark.parametrize("scale", [3, 4])
def test_best_refuses_no_checkerboard(scale: int) -> None:
    """Its largest network more than doubled the contrast, which counted as another picture."""
    for name in ("faint checkerboard", "dark checkerboard"):
        before = np.ascontiguousarray(PATTERNS[name][:48, :48])
        after = upscale(Picture(before), Upscale(quality="best", scale=scale), tools()).pixels
        assert largest_shift(before, after) <= 3, name


def test_flat_colours_are_exact() -> None:
    before = np.full((60, 70, 3), (17, 130, 201), np.uint8)
    after = upscale(Picture(before), Upscale(), tools()).pixels
    assert (after == (17, 130, 201)).all()
    before[20:40, 20:50] = (250, 250, 0)
    after = upscale(Picture(before), Upscale(), tools()).pixels
    for box, value in (
        (np.s_[:34, :], (17, 130, 201)),
        (np.s_[44:76, 44:96], (250, 250, 0)),
    ):
        assert (after[box] == value).all()


def test_bands_leave_no_seam() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(60, 180, (530, 40, 3), dtype=np.uint8)
    after = np.asarray(np.kron(before, np.ones((2, 2, 1), np.uint8)), np.uint8)
    shifted = after + np.uint8(20)
    keep_light(before, shifted)
    assert (shifted == after).all()


def test_1_pixel_and_a_row() -> None:
    for shape in ((1, 1), (1, 50, 3), (50, 1), (3, 2, 3)):
        before = np.full(shape, 77, np.uint8)
        after = np.full((shape[0] * 2, shape[1] * 2, *shape[2:]), 90, np.uint8)
        keep_light(before, after)
        assert (after == 77).all()


def logo() -> Pixels:
    """Return the coverage of a text, with smooth edges, 192 x 64."""
    image = Image.new("L", (192 * 8, 64 * 8))
    draw = ImageDraw.Draw(image)
    draw.text((64, 40), "Darkroom", fill=255, font=ImageFont.load_default(300))
    return np.asarray(image.resize((192, 64), Image.Resampling.BOX))


def test_logo_on_transparent_ground_loses_less_than_1_db() -> None:
    truth = logo()
    small = np.asarray(cv2.resize(truth, (96, 32), interpolation=cv2.INTER_AREA), np.uint8)
    ink = np.array((160, 60, 20))

    def on_white(alpha: NDArray[Any]) -> Pixels:
        share = alpha[:, :, None] / 255
        return np.asarray((share * ink + (1 - share) * 255).round(), np.uint8)

    picture = Picture(np.full((32, 96, 3), ink, np.uint8), small)
    made = upscale(picture, Upscale(), tools())
    assert made.alpha is not None
    sent_on_white = upscale(Picture(on_white(small)), Upscale(), tools()).pixels
    shown = cv2.PSNR(on_white(made.alpha), on_white(truth))
    assert shown > cv2.PSNR(sent_on_white, on_white(truth)) - 1
    assert made.alpha[:4].max() == 0


def test_mask_without_shades_stays_one() -> None:
    mask = np.where((X - 50) ** 2 + (Y - 40) ** 2 < 900, 255, 0).astype(np.uint8)
    made = upscale(Picture(np.full((96, 112, 3), 9, np.uint8), mask), Upscale(), tools())
    assert made.alpha is not None
    assert set(np.unique(made.alpha)) == {0, 255}
    even = Picture(np.zeros((9, 9), np.uint8), np.full((9, 9), 90, np.uint8))
    constant = upscale(even, Upscale(), tools())
    assert constant.alpha is not None
    assert (constant.alpha == 90).all()


def test_alpha_stays_within_its_neighbourhood() -> None:
    before = np.where(X < 50, 10, 200).astype(np.uint8)
    wild = np.random.default_rng(0).integers(0, 256, (192, 224), dtype=np.uint8)
    made = keep_mask(before, wild)
    assert made.min() == 10
    assert made.max() == 200
    assert (made[:, :96] == 10).all()


def test_blocks_of_a_jpeg_do_not_come_back_with_its_light() -> None:
    """Here they alternate by 8 levels, and the network made one even gray of them, too light."""
    blocks = np.kron([[100, 108] * 7, [108, 100] * 7] * 6, np.ones((8, 8))).astype(np.uint8)
    for damaged in (True, False):
        after = np.full_like(blocks, 116)
        keep_light(blocks, after, damaged)
        assert abs(float(after.mean()) - float(blocks.mean())) < 0.6
        contrast = float(after[16:-16, 16:-16].std())
        assert contrast < 1 if damaged else contrast > 1.5
