"""The resize operation: sizes by scale, width or height; area averages; smooth enlarging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.operations import parse
from models.operations.resize import Resize
from tests.support import images
from tests.workers.operations import (
    NO_NUMBERS,
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


def averaged(pixels: NDArray[Any], new: int, axis: int) -> NDArray[Any]:
    """Return ``pixels`` with ``axis`` shrunk to ``new`` by the exact average of each area."""
    old = pixels.shape[axis]
    edges = np.arange(new + 1) * (old / new)
    columns = np.arange(old)
    low = np.maximum(edges[:-1, None], columns)
    high = np.minimum(edges[1:, None], columns + 1)
    weights = np.maximum(high - low, 0) * (new / old)
    return np.moveaxis(np.tensordot(weights, pixels.astype(float), (1, axis)), 0, axis)


@pytest.mark.parametrize("new", [(60, 50), (61, 47), (1, 1), (119, 99), (30, 99), (120, 7)])
def test_shrinking_averages_areas_exactly(new: tuple[int, int]) -> None:
    source = bgr(120, 100)
    result = apply(Picture(source), Resize(width=new[0], height=new[1]))
    expected = averaged(averaged(source, new[1], 0), new[0], 1)
    assert result.size == new
    assert np.abs(result.pixels - expected).max() <= 1


@pytest.mark.parametrize(
    ("name", "filter_"),
    [("lanczos", Image.Resampling.LANCZOS), ("cubic", Image.Resampling.BICUBIC)],
)
def test_enlarging_is_close_to_pillow(name: str, filter_: Image.Resampling) -> None:
    soft = cv2.GaussianBlur(bgr(90, 70), (5, 5), 0)
    source = Picture(np.asarray(soft, np.uint8))
    spec = parse("resize", {"scale": "2.5", "filter": name})
    result = apply(source, spec)
    expected = np.asarray(image(source).resize((225, 175), filter_))[:, :, ::-1].copy()
    assert images.psnr(result.pixels, expected) > 38
    assert cv2.quality.QualitySSIM_compute(result.pixels, expected)[0][0] > 0.98  # type: ignore[attr-defined]


def test_filter_affects_only_enlarging() -> None:
    lanczos, cubic = (
        apply(Picture(bgr()), Resize(scale=2, filter=f)) for f in ("lanczos", "cubic")
    )
    assert (lanczos.pixels != cubic.pixels).any()
    lanczos, cubic = (
        apply(Picture(bgr()), Resize(scale=0.4, filter=f)) for f in ("lanczos", "cubic")
    )
    assert (lanczos.pixels == cubic.pixels).all()


@pytest.mark.parametrize("new", [(40, 100), (120, 25), (40, 50), (60, 100)])
def test_each_axis_uses_its_own_filter(new: tuple[int, int]) -> None:
    """An axis that shrinks is averaged, whatever happens on the other axis."""
    source = bgr(60, 50)
    result = apply(Picture(source), Resize(width=new[0], height=new[1]))
    assert result.size == new
    expected = source.astype(float)
    if new[0] < 60:
        expected = averaged(expected, new[0], 1)
    if new[1] < 50:
        expected = averaged(expected, new[1], 0)
    shrunk = np.rint(expected).astype(np.uint8)
    grown = cv2.resize(shrunk, new, interpolation=cv2.INTER_LANCZOS4)
    assert images.psnr(result.pixels, np.asarray(grown)) > 50


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize(
    "parameters",
    [{"scale": 2}, {"scale": 3, "filter": "cubic"}, {"scale": 0.3}, {"width": 7, "height": 90}],
)
def test_hidden_colour_leaves_no_fringe(parameters: dict[str, Any], hidden: int) -> None:
    result = apply(half_hidden(hidden), Resize(**parameters))
    assert np.abs(visible(result).astype(int) - 200).max() <= 3
    assert result.alpha is not None
    assert {0, 255} <= set(np.unique(result.alpha))


def test_overshoot_gives_no_tint() -> None:
    """Lanczos overshoots at a hard edge of alpha; colour and alpha must overshoot alike."""
    for shown in (64, 128, 255):
        result = apply(half_hidden(0, shown), Resize(scale=4))
        assert np.abs(visible(result, 32).astype(int) - shown).max() <= 1


def test_gray_alpha_and_profile_are_kept() -> None:
    plane, alpha = bgr()[:, :, 1].copy(), bgr()[:, :, 0].copy()
    result = apply(Picture(plane, alpha, b"profile"), Resize(scale=0.5))
    assert result.pixels.shape == (25, 30)
    assert result.alpha is not None
    assert result.alpha.shape == (25, 30)
    assert result.icc == b"profile"
    weight = averaged(averaged(alpha, 25, 0), 30, 1)
    colour = averaged(averaged(plane * (alpha / 255), 25, 0), 30, 1) * 255 / weight
    assert np.abs(result.pixels - colour).max() <= 2


@pytest.mark.parametrize(
    ("parameters", "sizes"),
    [
        ({"scale": "2"}, (514, 600)),
        ({"scale": "0.5"}, (129, 150)),
        ({"scale": "0.05"}, (13, 15)),
        ({"width": "300"}, (300, 350)),
        ({"height": "100"}, (86, 100)),
        ({"width": "9", "height": "7"}, (9, 7)),
        ({"width": "1"}, (1, 1)),
    ],
)
def test_result_sizes(parameters: dict[str, str], sizes: tuple[int, int]) -> None:
    assert parse("resize", parameters).output_sizes(257, 300) == [sizes]


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1)])
@pytest.mark.parametrize("scale", [0.05, 0.3, 1, 7])
def test_sides_are_at_least_one_pixel(size: tuple[int, int], scale: float) -> None:
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    result = apply(Picture(pixels), Resize(scale=scale))
    assert [result.size] == Resize(scale=scale).output_sizes(*size)
    assert min(result.size) >= 1
    assert (result.pixels == 90).all()


def test_long_strips() -> None:
    strip = Picture(np.full((1, 40_000), 5, np.uint8))
    assert (apply(strip, Resize(width=100_000, height=1)).pixels == 5).all()
    assert (apply(strip, Resize(width=1, height=100_000)).pixels == 5).all()


def test_same_size_changes_nothing() -> None:
    assert (apply(Picture(bgr()), Resize(scale=1)).pixels == bgr()).all()


@pytest.mark.parametrize(
    "parameters", [{"scale": 0.1}, {"scale": 0.12}, {"width": 90, "height": 31}]
)
def test_scaled_decoding_gives_the_same_result(tmp_path: Path, parameters: dict[str, Any]) -> None:
    from tests.workers.operations.test_thumbnail import photograph, rotated

    spec = Resize(**parameters)
    for orientation in (1, 3, 6, 8):
        path = tmp_path / "picture.jpg"
        path.write_bytes(rotated(photograph(1003, 777), orientation))
        whole, scaled = (
            codec.decode(path, 10**7),
            codec.decode(path, 10**7, spec.minimum_decode_size),
        )
        assert scaled.full_size is not None
        a, b = apply(whole, spec), apply(scaled, spec)
        assert a.size == b.size
        assert images.psnr(a.pixels, b.pixels) > 40


def test_enlarging_decodes_every_pixel() -> None:
    assert Resize(scale=2).minimum_decode_size(4000, 3000) is None
    assert Resize(width=10, height=3001).minimum_decode_size(4000, 3000) is None
    assert Resize(scale=0.1).minimum_decode_size(4000, 3000) == (1600, 1200)


def test_documents_and_labels() -> None:
    base = {"op": "resize", "scale": None, "width": None, "height": None, "filter": "lanczos"}
    assert (
        document("resize", scale="2") == document("resize", scale="2.0") == {**base, "scale": 2.0}
    )
    assert document("resize", scale=2) == document("resize", scale="0002")
    assert document("resize", width="3.0") == {**base, "width": 3}
    labels = [
        ({"scale": "2"}, "resize-x2"),
        ({"scale": "0.5"}, "resize-x0.5"),
        ({"width": "300", "height": "200"}, "resize-300x200"),
        ({"width": "300"}, "resize-w300"),
        ({"height": "200"}, "resize-h200"),
    ]
    for parameters, label in labels:
        assert parse("resize", parameters).label() == label


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, True, [1], {"a": 1}, "0", "0.049", "100", "-2", 10**400]
)
def test_invalid_scales_are_refused(value: Any) -> None:
    assert refusal("resize", scale=value).startswith("resize: scale: ")


@pytest.mark.parametrize("name", ["width", "height"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, True, [1], "0", "-1", "2.5", "1000001"])
def test_invalid_sides_are_refused(name: str, value: Any) -> None:
    assert refusal("resize", **{name: value}).startswith(f"resize: {name}: ")


def test_refusals_say_what_would_pass() -> None:
    assert "give a scale, or a width, a height or both" in refusal("resize")
    assert "give a scale" in refusal("resize", scale=None)
    assert "scale excludes width and height" in refusal("resize", scale="2", width="10")
    assert "scale excludes" in refusal("resize", scale="2", height="10")
    assert "'lanczos' or 'cubic'" in refusal("resize", scale="2", filter="box")
    assert "less than 100" in refusal("resize", scale="100")
    assert "known: scale, width, height, filter" in refusal("resize", factor="2")
