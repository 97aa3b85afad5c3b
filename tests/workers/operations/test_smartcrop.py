"""The smartcrop operation: sizes, what it finds, how sure it is of the middle, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench import smartcrop as bench
from models.operations import parse
from models.operations.smartcrop import SmartCrop
from tests.support import images
from tests.support.paths import ROOT
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, image, refusal
from tests.workers.operations.test_thumbnail import photograph, rotated
from workers.imaging import codec
from workers.imaging.picture import Picture, Samples
from workers.imaging.resolution import Resolution
from workers.operations.smartcrop import find

SIDE = 60


def thing() -> NDArray[np.uint8]:
    """Return a photograph in SIDE x SIDE: an eye of a cat."""
    eye = cv2.imread(str(ROOT / "tests" / "photographs" / "chelsea.png"))
    assert eye is not None
    return np.asarray(cv2.resize(eye, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def ground(width: int, height: int) -> NDArray[np.uint8]:
    """Return a soft slope of light with a little noise, as of a sky."""
    slope = np.linspace(90, 170, width)[None, :, None] + np.zeros((height, 1, 3))
    noise = np.random.default_rng(1).normal(0, 2, slope.shape)
    return np.asarray(np.clip(slope + noise, 0, 255), np.uint8)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("kind", ["colour", "gray", "deep"])
def test_a_thing_on_a_plain_ground_is_kept(share: float, upright: bool, kind: str) -> None:
    pixels: Samples = ground(360, 120)
    left = round(share * (360 - SIDE))
    pixels[30 : 30 + SIDE, left : left + SIDE] = thing()
    if upright:
        pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
    if kind == "gray":
        pixels = pixels[:, :, 1].copy()
    elif kind == "deep":
        pixels = pixels.astype(np.uint16) * np.array(257, np.uint16)
    place = find(Picture(pixels), (120, 120))[1 if upright else 0]
    first = place * (360 - 120)
    inside = min(first + 120, left + SIDE) - max(first, left)
    assert inside >= 0.9 * SIDE
    made = apply(Picture(pixels), SmartCrop())
    assert made.size == (120, 120)
    axis = 0 if upright else 1
    windows = np.lib.stride_tricks.sliding_window_view(pixels, 120, axis)
    window = np.moveaxis(windows[(slice(None),) * axis + (round(first),)], -1, axis)
    assert (made.pixels == window).all()


def test_where_nothing_stands_out_the_middle_is_kept() -> None:
    flat = Picture(np.full((100, 300, 3), 77, np.uint8))
    assert find(flat, (100, 100)) == pytest.approx((0.5, 0.5), abs=0.03)


def test_what_is_transparent_does_not_count() -> None:
    pixels = np.full((100, 300, 3), 128, np.uint8)
    pixels[20 : 20 + SIDE, 10 : 10 + SIDE] = thing()
    alpha = np.full((100, 300), 255, np.uint8)
    assert find(Picture(pixels, alpha), (100, 100))[0] < 0.2
    alpha[:, :100] = 0
    pixels[20 : 20 + SIDE, 230 : 230 + SIDE] = thing()
    assert find(Picture(pixels, alpha), (100, 100))[0] > 0.8


def test_a_size_is_cut_and_shrunk() -> None:
    source = Picture(bgr(300, 100), resolution=Resolution(300, 300), icc=b"profile")
    made = apply(source, SmartCrop(width=40, height=50))
    assert made.size == (40, 50)
    assert (made.resolution, made.icc) == (Resolution(300, 300), b"profile")
    place, _ = find(source, SmartCrop(width=40, height=50).part_size(300, 100))
    first = round(place * (300 - 80))
    window = source.pixels[:, first : first + 80]
    expected = cv2.resize(window, (40, 50), interpolation=cv2.INTER_AREA)
    assert np.abs(made.pixels.astype(int) - expected).max() <= 1
    # Never enlarged: the part keeps the shape.
    assert apply(source, SmartCrop(width=400, height=500)).size == (80, 100)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2), (97, 101)])
@pytest.mark.parametrize(
    "said", [{}, {"ratio": "9999:1"}, {"ratio": "1:9999"}, {"width": 5, "height": 2}]
)
def test_every_shape_of_every_picture(size: tuple[int, int], said: dict[str, Any]) -> None:
    spec = parse("smartcrop", said)
    for pixels in (bgr(*size), bgr(*size)[:, :, 0].copy()):
        result = apply(Picture(pixels), spec)
        assert [result.size] == spec.output_sizes(*size)


def test_scaled_decoding_gives_nearly_the_same(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    spec = SmartCrop(width=60, height=50)
    for orientation in (1, 6, 8):
        path.write_bytes(rotated(photograph(900, 600), orientation))
        whole = codec.decode(path, 10**7)
        scaled = codec.decode(path, 10**7, spec.minimum_decode_size)
        assert scaled.full_size == whole.size != (scaled.width, scaled.height)
        a, b = apply(whole, spec), apply(scaled, spec)
        assert a.size == b.size == (60, 50)
        assert images.psnr(np.asarray(image(a)), np.asarray(image(b))) > 26


def test_documents_and_labels() -> None:
    nothing = {"op": "smartcrop", "ratio": None, "width": None, "height": None}
    assert document("smartcrop") == nothing
    assert document("smartcrop", ratio="32:18") == {**nothing, "ratio": "16:9"}
    assert document("smartcrop", width="8", height=9) == {**nothing, "width": 8, "height": 9}
    assert parse("smartcrop", {}).label() == "smartcrop-1-1"
    assert parse("smartcrop", {"ratio": "16:9"}).label() == "smartcrop-16-9"
    assert parse("smartcrop", {"width": "8", "height": "9"}).label() == "smartcrop-8x9"


@pytest.mark.parametrize(
    "value",
    [*NO_NUMBERS, *NO_VALUES[:1], "16/9", "0:1", "1:0", "-1:1", "1.5:1", "1:1\n", "1:10000"],
)
def test_refused_ratios(value: Any) -> None:
    assert refusal("smartcrop", ratio=value).startswith("smartcrop: ratio: ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, "0", "-1", "1.5", 10**9])
def test_refused_sides(value: Any) -> None:
    assert refusal("smartcrop", width=value, height="5").startswith("smartcrop: width: ")


def test_refused_together() -> None:
    assert "give width and height, or a ratio" in refusal("smartcrop", width="5")
    assert "ratio excludes" in refusal("smartcrop", width="5", height="5", ratio="1:1")


def test_the_benchmark_counts_what_is_kept() -> None:
    assert bench.kept(0, 100, (10, 109)) and not bench.kept(0, 100, (50, 150))
    assert bench.kept(60, 100, (0, 300))
