"""Trim: what is border, in every layout and depth, and pipelines that go on with what is left."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageChops

from models.errors import BadParameter
from models.networks.catalogue import Catalogue
from models.operations import Encoding, parse
from models.operations.steps import read_pipeline, result_sizes
from models.operations.trim import Trim
from tests.support.paths import ROOT
from tests.workers.operations import apply, bgr, image
from workers.imaging import codec, notes
from workers.imaging.picture import Picture, Samples
from workers.imaging.resolution import Resolution
from workers.operations import trim as module
from workers.operations.trim import find
from workers.pipeline import Limits, Outputs, Pipeline

LEFT, TOP, RIGHT, BOTTOM = 7, 3, 5, 11
INNER = (40, 30)
DEPTHS = [np.uint8, np.uint16]


def samples(pixels: NDArray[np.uint8], depth: type[np.uint8 | np.uint16]) -> Samples:
    return pixels if depth is np.uint8 else pixels.astype(np.uint16) * np.array(257, np.uint16)


def framed(
    colour: tuple[int, ...] = (250, 240, 230), depth: type[np.uint8 | np.uint16] = np.uint8
) -> Picture:
    """Return a scene of INNER with a border of ``colour``; one number makes it gray."""
    inner: NDArray[Any] = bgr(*INNER)
    if len(colour) == 1:
        inner = inner[:, :, 1]
    shape = (INNER[1] + TOP + BOTTOM, INNER[0] + LEFT + RIGHT, *inner.shape[2:])
    pixels = np.full(shape, colour[0] if len(colour) == 1 else colour, np.uint8)
    pixels[TOP:-BOTTOM, LEFT:-RIGHT] = inner
    return Picture(samples(pixels, depth), notes=("before",))


@pytest.mark.parametrize("colour", [(250, 240, 230), (0, 0, 0), (255, 255, 255), (128,), (255,)])
@pytest.mark.parametrize("depth", DEPTHS)
def test_what_is_inside_the_border_stays(
    colour: tuple[int, ...], depth: type[np.uint8 | np.uint16]
) -> None:
    source = framed(colour, depth)
    made = apply(source, Trim(tolerance=0))
    assert (made.width, made.height) == INNER and made.notes == ("before",)
    assert (made.pixels == source.pixels[TOP:-BOTTOM, LEFT:-RIGHT]).all()
    assert np.shares_memory(made.pixels, source.pixels)
    padded = apply(source, Trim(tolerance=0, padding=4))
    assert padded.size == (INNER[0] + 8, INNER[1] + 3 + 4)  # of the top only 3 rows are there
    assert apply(source, Trim(tolerance=0, padding=10**6)) is source


def test_it_is_what_pillow_finds() -> None:
    source = framed()
    pillow = image(source)
    ground = Image.new("RGB", pillow.size, (230, 240, 250))
    box = ImageChops.difference(pillow, ground).getbbox()
    assert find(source, Trim(tolerance=0)) == box == (LEFT, TOP, LEFT + INNER[0], TOP + INNER[1])


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("difference", [-10, 10])
def test_the_tolerance_is_of_each_channel(
    depth: type[np.uint8 | np.uint16], channel: int, difference: int
) -> None:
    pixels = np.full((20, 30, 3), 100, np.uint8)
    pixels[8, 9, channel] += np.array(difference, np.int16).astype(np.uint8)
    picture = Picture(samples(pixels, depth))
    assert find(picture, Trim(tolerance=10)) is None
    assert find(picture, Trim(tolerance=9)) == (9, 8, 10, 9)


def test_noise_of_a_jpeg_is_border(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    file = Image.new("RGB", (160, 120), (244, 244, 240))
    with Image.open(ROOT / "tests" / "photographs" / "chelsea.png") as photo:
        file.paste(photo.convert("RGB").resize((64, 48)), (48, 40))  # at the corner of a block
    file.save(path, quality=60)
    left, top, right, bottom = find(codec.decode(path, 10**6), Trim()) or (0, 0, 0, 0)
    # Beside its edges the JPEG changed the ground by more than the tolerance, for a few pixels.
    assert 44 <= left <= 48 and 36 <= top <= 40 and 112 <= right <= 116 and 88 <= bottom <= 92


def transparent_around(depth: type[np.uint8 | np.uint16], hidden: NDArray[np.uint8]) -> Picture:
    pixels = np.broadcast_to(hidden, (20, 30, 3)).copy()
    pixels[5:9, 6:20] = 90
    alpha = np.zeros((20, 30), np.uint8)
    alpha[5:9, 6:20] = 200
    return Picture(samples(pixels, depth), samples(alpha, depth))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("spec", [Trim(), Trim(colour="transparent"), Trim(tolerance=0)])
def test_what_is_transparent_is_border_whatever_its_hidden_colour(
    depth: type[np.uint8 | np.uint16], spec: Trim
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    made = apply(transparent_around(depth, noise), spec)
    assert made.size == (14, 4) and made.alpha is not None
    assert made.alpha.shape == (4, 14) and (made.alpha == made.alpha[0, 0]).all()


def test_an_opaque_border_is_not_transparent() -> None:
    """A hole beside it in the same colour is part of the picture, and a shadow, too."""
    pixels = np.full((20, 30, 3), 255, np.uint8)
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[4:8, 10:15] = 0
    assert find(Picture(pixels, alpha), Trim()) == (10, 4, 15, 8)
    soft = transparent_around(np.uint8, np.zeros(3, np.uint8))
    assert soft.alpha is not None
    soft.alpha[12, 2], soft.alpha[15, 15] = 21, 20
    assert find(soft, Trim()) == (2, 5, 20, 13)


def test_the_colour_may_be_said() -> None:
    source = framed()
    source.pixels[0, 0] = 0  # a speck in the corner
    assert apply(source, Trim()) is source
    assert find(source, Trim(colour="#e6f0fa", tolerance=0)) == (0, 0, 47, 33)
    gray = framed((130,))
    gray.pixels[-1, -1] = 0
    assert find(gray, Trim(colour="#828282", tolerance=0)) == (7, 3, 52, 44)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 30), (20, 30, 3), (3, 1, 3)])
@pytest.mark.parametrize("alpha", [None, 0, 255])
def test_a_picture_of_one_colour_stays_with_a_note(
    shape: tuple[int, ...], alpha: int | None
) -> None:
    opaque = None if alpha is None else np.full(shape[:2], alpha, np.uint8)
    source = Picture(np.full(shape, 77, np.uint8), opaque, notes=("before",))
    made = apply(source, Trim())
    assert made.size == source.size and made.notes == ("before", notes.NOTHING_BUT_BORDER)
    if alpha != 0:  # of another colour than the border that was asked for
        assert apply(source, Trim(colour="#00ff00")) is source
        assert apply(source, Trim(colour="#4d4d4d00")) is source


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_bands_find_what_the_definition_says(
    width: int, height: int, channels: int, has_alpha: bool, tolerance: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pixels = random.choice([4, 5, 6, 8], (height, width, 3), p=[0.7, 0.1, 0.1, 0.1])
    chosen = pixels[:, :, : 3 if channels == 3 else 1].astype(np.uint8)
    shown: Samples = chosen if channels == 3 else chosen[:, :, 0]
    alpha = random.choice([0, 2, 250, 255], (height, width)).astype(np.uint8)
    picture = Picture(shown, alpha if has_alpha else None)
    planes = shown.reshape(height, width, -1).astype(int)
    border = (abs(planes - planes[0, 0]) <= tolerance).all(axis=2)
    if has_alpha:
        opacity = alpha.astype(int)
        border = (border | (opacity <= tolerance)) & (abs(opacity - opacity[0, 0]) <= tolerance)
    rows, columns = np.nonzero(~border)
    expected = None
    if len(rows):
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BAND_PIXELS", 2 * width)
        assert find(picture, Trim(tolerance=tolerance)) == expected


def test_a_print_profile_and_metadata_stay() -> None:
    source = Picture(framed().pixels, icc=b"profile", resolution=Resolution(300, 300))
    made = apply(source, Trim())
    assert (made.icc, made.resolution) == (b"profile", Resolution(300, 300))


def process(tmp_path: Path, *operations: str) -> Outputs:
    source = tmp_path / "source.png"
    file = io.BytesIO()
    image(framed()).save(file, "PNG")
    source.write_bytes(file.getvalue())
    limits = Limits(10**6, 10**6, 64)
    pipeline = Pipeline(
        read_pipeline(operations, 9), Encoding("png"), Catalogue.read(None), limits, lambda _: None
    )
    return pipeline.process(source, tmp_path, 10**6)


def test_a_pipeline_goes_on_with_what_is_left(tmp_path: Path) -> None:
    made = process(tmp_path, "trim", "resize=2", "split")
    assert [(each.width, each.height) for each in made.results] == [INNER] * 4
    contained = '{"op": "resize", "width": 80, "height": 80, "fit": "contain"}'
    (result,) = process(tmp_path, "trim", contained).results
    assert (result.width, result.height) == (80, 60)


def test_a_rectangle_beyond_what_is_left_fails(tmp_path: Path) -> None:
    rectangle = '{"op": "crop", "width": 45, "height": 30}'
    with pytest.raises(BadParameter) as caught:
        process(tmp_path, "trim", rectangle)
    assert "the picture is 40 x 30 pixels" in caught.value.detail
    assert caught.value.detail.endswith("(after trim, which found that size)")
    assert process(tmp_path, "trim=0", rectangle.replace("45", "40")).results[0].width == 40
    with pytest.raises(BadParameter) as caught:  # beyond the whole picture: before a task exists
        result_sizes([Trim(), parse("crop", {"width": 53, "height": 1})], (52, 44), 10**6)
    assert "after trim" not in caught.value.detail
