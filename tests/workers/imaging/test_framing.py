"""fit=cover, contain and pad: which part is shown, in which size, and what is around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from models.operations import Operation, parse
from models.operations.fit import Fit
from models.operations.resize import Resize
from models.operations.thumbnail import Thumbnail
from tests.support import images
from tests.workers.operations import apply, bgr, half_hidden, image, visible
from tests.workers.operations.test_thumbnail import photograph, rotated
from workers.imaging import codec
from workers.imaging.picture import Picture
from workers.imaging.resolution import Resolution


@pytest.mark.parametrize("size", [(400, 300), (191, 373), (256, 256)])
@pytest.mark.parametrize("box", [(40, 40), (50, 20), (13, 60)])
@pytest.mark.parametrize("kind", [Resize, Thumbnail])
def test_each_fit_is_close_to_pillow(
    size: tuple[int, int], box: tuple[int, int], kind: type[Resize | Thumbnail]
) -> None:
    soft = photograph(*size).filter(ImageFilter.GaussianBlur(8))
    source = Picture(np.asarray(soft)[:, :, ::-1].copy())

    def made(fit: Fit, **more: str) -> Picture:
        spec = parse(kind.op, {"width": box[0], "height": box[1], "fit": fit, **more})
        result = apply(source, spec)
        assert [result.size] == spec.output_sizes(*size)
        return result

    method = Image.Resampling.BOX
    cases: list[tuple[Fit, Image.Image]] = [
        ("cover", ImageOps.fit(soft, box, method)),
        ("contain", ImageOps.contain(soft, box, method)),
    ]
    for fit, expected in cases:
        result = made(fit)
        assert result.size == expected.size
        close = np.asarray(expected)[:, :, ::-1].copy()
        assert images.psnr(result.pixels, close) > 38, fit
    inner = made("contain")
    padded = made("pad", colour="#102030").pixels
    x, y = (box[0] - inner.width) // 2, (box[1] - inner.height) // 2
    window = np.s_[y : y + inner.height, x : x + inner.width]
    assert (padded[window] == inner.pixels).all()
    padded[window] = (0x30, 0x20, 0x10)
    assert (padded == (0x30, 0x20, 0x10)).all()


@pytest.mark.parametrize("fit", ["cover", "contain", "pad"])
def test_enlarging_keeps_the_shape(fit: Fit) -> None:
    """A square stays one: neither axis is stretched."""
    pixels = np.zeros((50, 60, 3), np.uint8)
    pixels[15:35, 20:40] = 255
    colour = "black" if fit == "pad" else None
    spec = Resize(width=240, height=120, fit=fit, filter="cubic", colour=colour)
    result = apply(Picture(pixels), spec)
    rows, columns = (np.flatnonzero(result.pixels[:, :, 0].max(axis) > 128) for axis in (1, 0))
    assert abs(len(rows) - len(columns)) <= 2
    if fit != "contain":
        assert result.size == (240, 120)


@pytest.mark.parametrize("kind", ["gray", "gray+alpha", "colour", "colour+alpha"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("colour", ["#3366cc", "#3366cc80", "transparent"])
def test_padding_has_its_colour_at_every_depth(kind: str, deep: bool, colour: str) -> None:
    scale = 257 if deep else 1
    pixels: Any = np.full((10, 10, 3), 200 * scale, np.uint16 if deep else np.uint8)
    if kind.startswith("gray"):
        pixels = pixels[:, :, 0].copy()
    alpha = np.full((10, 10), 99 * scale, pixels.dtype) if kind.endswith("alpha") else None
    spec = Thumbnail(width=17, height=12, fit="pad", colour=colour)
    result = apply(Picture(pixels, alpha, b"profile"), spec)
    assert result.size == (17, 12) and result.icc == b"profile"
    assert result.pixels.dtype == pixels.dtype and result.pixels.ndim == pixels.ndim
    shown, around = np.zeros((12, 17), bool), np.ones((12, 17), bool)
    shown[1:11, 3:13], around[1:11, 3:13] = True, False
    assert (result.pixels[shown] == 200 * scale).all()
    opacity = {"#3366cc": 255, "#3366cc80": 128, "transparent": 0}[colour]
    bgr_values = np.array([255] * 3 if colour == "transparent" else [0xCC, 0x66, 0x33])
    gray = bgr_values @ [0.114, 0.587, 0.299]
    expected = (gray if kind.startswith("gray") else bgr_values) * scale
    assert np.abs(result.pixels[around] - expected).max() <= 0.51
    if alpha is None and opacity == 255:
        assert result.alpha is None
    else:
        assert result.alpha is not None and result.alpha.dtype == pixels.dtype
        assert (result.alpha[around] == opacity * scale).all()
        assert (result.alpha[shown] == (255 if alpha is None else 99) * scale).all()


@pytest.mark.parametrize("fit", ["cover", "contain", "pad"])
def test_hidden_colour_leaves_no_fringe(fit: Fit) -> None:
    colour = "#c8c8c8" if fit == "pad" else None
    result = apply(half_hidden(0, 200), Thumbnail(width=9, height=17, fit=fit, colour=colour))
    assert np.abs(visible(result).astype(int) - 200).max() <= 3


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000), (1, 1), (3, 2)])
@pytest.mark.parametrize("fit", ["cover", "contain", "pad"])
@pytest.mark.parametrize("box", [(500, 2), (2, 500), (70, 70), (1, 1)])
def test_narrow_pictures_in_every_box(
    size: tuple[int, int], fit: Fit, box: tuple[int, int]
) -> None:
    """No picture in between is larger than the box: a cover of 1000 x 1 would be 500000 x 500."""
    colour = "#090909" if fit == "pad" else None
    specs: list[Operation] = [
        Resize(width=box[0], height=box[1], fit=fit, colour=colour),
        Thumbnail(width=box[0], height=box[1], fit=fit, colour=colour),
    ]
    for spec in specs:
        result = apply(Picture(np.full((size[1], size[0]), 9, np.uint8)), spec)
        assert [result.size] == spec.output_sizes(*size)
        assert (result.pixels == 9).all()


@pytest.mark.parametrize("fit", ["cover", "contain", "pad"])
@pytest.mark.parametrize("size", [(821, 627), (1001, 333), (647, 1203)])
def test_scaled_decoding_gives_the_same_result(
    tmp_path: Path, fit: Fit, size: tuple[int, int]
) -> None:
    path = tmp_path / "picture.jpg"
    for orientation in (1, 3, 6, 8):
        soft = photograph(*size).filter(ImageFilter.GaussianBlur(12))
        path.write_bytes(rotated(soft, orientation))
        for spec in (
            Thumbnail(width=40, height=31, fit=fit),
            Resize(width=23, height=37, fit=fit),
        ):
            whole = codec.decode(path, 10**7)
            scaled = codec.decode(path, 10**7, spec.minimum_decode_size)
            assert scaled.full_size == whole.size
            a, b = apply(whole, spec), apply(scaled, spec)
            assert a.size == b.size and [a.size] == spec.output_sizes(*whole.size)
            assert (b.full_size, b.content_box) == (None, None)
            assert images.psnr(a.pixels, b.pixels) > 40


def test_a_box_of_the_same_shape_changes_nothing_else() -> None:
    plain = apply(Picture(bgr(80, 60)), Resize(width=40, height=30)).pixels
    for fit in ("cover", "contain", "pad"):
        made = apply(Picture(bgr(80, 60)), parse("resize", {"width": 40, "height": 30, "fit": fit}))
        assert (made.pixels == plain).all()
        small = apply(Picture(bgr()), parse("thumbnail", {"width": 60, "height": 50, "fit": fit}))
        assert (small.pixels == bgr()).all()


def test_a_small_picture_is_cut_and_not_enlarged() -> None:
    result = apply(Picture(bgr(60, 50)), Thumbnail(width=20, height=90, fit="cover"))
    assert (result.pixels == bgr(60, 50)[:, 20:40]).all()


@pytest.mark.parametrize(("fit", "factor"), [("cover", 2), ("contain", 1.5), ("pad", 1.5)])
def test_a_print_keeps_its_size(fit: Fit, factor: float) -> None:
    source = Picture(bgr(40, 30), resolution=Resolution(300, 240))
    result = apply(source, Resize(width=60, height=60, fit=fit))
    assert result.resolution == Resolution(300 * factor, 240 * factor)
    assert image(result).size == result.size
