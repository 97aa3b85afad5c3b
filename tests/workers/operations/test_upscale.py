"""The upscale operation: right size, better than bicubic, equal to plain dnn_superres."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.errors import WeightsMissing
from models.networks.catalogue import Catalogue
from models.operations.upscale import Upscale
from tests.support import images
from tests.workers.operations import apply, tools
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.upscaler import tiles

PUBLISHED = [
    *[(model, scale) for model in ("FSRCNN", "FSRCNN-small", "ESPCN") for scale in (2, 3, 4)],
    *[("LapSRN", scale) for scale in (2, 4, 8)],
]


def bgr(width: int = 60, height: int = 50) -> Pixels:
    return np.ascontiguousarray(images.scene(width, height)[:, :, ::-1])


def test_bundled_network_doubles_colour_gray_and_alpha() -> None:
    alpha = np.zeros((50, 60), np.uint8)
    alpha[10:40, 15:45] = 255
    colour = apply(Picture(bgr(), alpha, b"profile"), Upscale(), tools())
    assert colour.pixels.shape == (100, 120, 3)
    assert colour.icc == b"profile"
    assert colour.alpha is not None
    assert colour.alpha.shape == (100, 120)
    assert (colour.alpha[40:60, 40:80] == 255).all()
    assert (colour.alpha[:10] == 0).all()
    gray = apply(Picture(bgr()[:, :, 1]), Upscale(), tools())
    assert gray.pixels.shape == (100, 120)


@pytest.mark.parametrize("hidden", [(255, 0, 0), (0, 0, 0), (255, 255, 255)])
def test_hidden_colour_does_not_bleed_into_the_visible_edge(hidden: tuple[int, int, int]) -> None:
    pixels = np.full((40, 40, 3), (0, 0, 255), np.uint8)  # pure red in BGR
    pixels[20:] = hidden
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:20] = 255
    result = apply(Picture(pixels, alpha), Upscale(), tools())
    assert result.alpha is not None
    visible = result.pixels[result.alpha > 0].astype(int)
    assert np.abs(visible - (0, 0, 255)).max() <= 12
    gray = apply(Picture(pixels[:, :, 2], alpha), Upscale(), tools())
    assert gray.alpha is not None
    assert np.abs(gray.pixels[gray.alpha > 0].astype(int) - 255).max() <= 12


@pytest.mark.parametrize("faint", [0, 1, 2, 7])
def test_colour_under_low_alpha_does_not_bleed(faint: int) -> None:
    rows, columns = np.mgrid[0:40, 0:40]
    disc = (rows - 20) ** 2 + (columns - 20) ** 2 < 150
    pixels = np.where(disc, 255, 0).astype(np.uint8)
    alpha = np.where(disc, 255, faint).astype(np.uint8)
    result = apply(Picture(pixels, alpha), Upscale(), tools())
    assert result.alpha is not None
    assert result.pixels[result.alpha > 128].min() > 240


def test_gray_gives_the_same_as_colour() -> None:
    plane = np.ascontiguousarray(bgr()[:, :, 1])
    gray = apply(Picture(plane), Upscale(), tools()).pixels
    colour = apply(Picture(np.dstack([plane] * 3)), Upscale(), tools()).pixels
    assert np.abs(gray.astype(int) - colour[:, :, 1]).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (2, 3), (13, 17)])
def test_tiny_and_odd_pictures(size: tuple[int, int]) -> None:
    result = apply(Picture(bgr(*size)), Upscale(), tools())
    assert (result.width, result.height) == (2 * size[0], 2 * size[1])


@pytest.mark.parametrize(("model", "scale"), PUBLISHED)
def test_published_networks_give_the_same_as_opencv(shared: Path, model: str, scale: int) -> None:
    catalogue = Catalogue.read(shared / "weights")
    weights = catalogue.find(model, scale)
    plain = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    plain.readModel(str(catalogue.path(weights)))
    plain.setModel(weights.algorithm, scale)
    source = bgr(37, 22)
    whole = Tools(catalogue, 160, lambda share: None)
    result = apply(Picture(source), Upscale(model=model, scale=scale), whole)
    assert (result.pixels == plain.upsample(source)).all()


def test_spans_cover_everything_once_and_stay_inside() -> None:
    for length in (1, 63, 64, 65, 200):
        covered: list[int] = []
        sizes: set[int] = set()
        for start, stop, keep_from, keep_to in tiles.spans(length, 64, 6):
            assert 0 <= start <= keep_from < keep_to <= stop <= length
            assert start == 0 or keep_from - start >= 6
            assert stop == length or stop - keep_to >= 6
            assert stop - start <= min(length, 64 + 2 * 6)
            sizes.add(stop - start)
            covered += range(keep_from, keep_to)
        assert covered == list(range(length))
        assert len(sizes) == 1


def test_tiles_have_equal_sizes() -> None:
    assert [keep for *_, keep, _ in tiles.spans(300, 256, 6)] == [0, 150]


def test_progress_counts_tiles() -> None:
    shares: list[float] = []
    tiled = Tools(Catalogue.read(None), 32, shares.append)
    apply(Picture(bgr(64, 96)), Upscale(), tiled)
    assert shares == [pytest.approx(n / 6) for n in range(1, 7)]


def test_missing_network_is_reported() -> None:
    with pytest.raises(WeightsMissing, match="on this worker: the file of model FSRCNN is missing"):
        apply(Picture(bgr()), Upscale(model="FSRCNN"), tools())


def test_bundled_network_beats_bicubic_by_three_decibels_on_held_out_pictures(
    shared: Path,
) -> None:
    """The middles of the validation split of training/dataset.py; bicubic low resolution, as in the
    literature.
    """
    from training.dataset import read_luma, split
    from training.degrade import bicubic, psnr

    gains = []
    for path in split(shared / "train")[1]:
        whole = read_luma(path)
        high = whole[whole.shape[0] // 3 :, whole.shape[1] // 3 :][:256, :256]
        low = bicubic(high, high.shape[0] // 2, high.shape[1] // 2)
        ours = np.asarray(apply(Picture(low), Upscale(), tools()).pixels, np.uint8)
        gains.append(psnr(ours, high, 2) - psnr(bicubic(low, *high.shape), high, 2))
    assert np.mean(gains) > 3.0


def test_a_real_photograph(shared: Path) -> None:
    with Image.open(shared / "images" / "lama.png") as image:
        source = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    result = apply(Picture(source), Upscale(), tools())
    assert (result.width, result.height) == (514, 600)
    back = cv2.resize(result.pixels, (257, 300), interpolation=cv2.INTER_AREA)
    assert images.psnr(np.asarray(back), source) > 30


def test_tile_side_depends_on_network_and_area() -> None:
    known = Catalogue.read(None).known
    sides = {w.scale: tiles.tile_side(256, w, 10**6) for w in known if w.name == "LapSRN"}
    assert sides == {2: 256, 4: 128, 8: 64}
    medium = [w for w in known if w.name.startswith(("darkroom-", "realesr-"))]
    assert {tiles.tile_side(256, w, 10**6) for w in medium} == {512}
    assert min(tiles.tile_side(256, w, 640 * 480) for w in medium) >= 640
    assert {tiles.tile_side(160, w, 10**6) for w in medium} == {160}
    assert {tiles.tile_side(256, w, 10**7) for w in medium} == {256}
    others = [w for w in known if w not in medium and w.name != "LapSRN"]
    assert {tiles.tile_side(256, w, 10**6) for w in others} == {256}
