"""Colour beside a network that takes luma only: text and line art keep their edges."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.networks.catalogue import Catalogue
from models.operations.upscale import Upscale
from tests.workers.operations import tools
from workers.imaging.picture import Picture, Pixels
from workers.operations.upscale import upscale
from workers.upscaler import colour
from workers.upscaler.colour import Chroma, choose_chroma
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO


def text(ink: tuple[int, int, int], ground: tuple[int, int, int]) -> Pixels:
    """Return a line of text, 192 x 48, in BGR."""
    image = Image.new("RGB", (384, 96), ground)
    draw = ImageDraw.Draw(image)
    draw.text((8, 16), "Invoice 2024", fill=ink, font=ImageFont.load_default(56))
    small = np.asarray(image.resize((192, 48), Image.Resampling.BOX))
    return np.ascontiguousarray(small[:, :, ::-1])


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(cv2.PSNR(one, other))


@pytest.mark.parametrize(
    ("ink", "ground"),
    [((255, 0, 0), (0, 0, 255)), ((0, 255, 0), (255, 0, 255)), ((255, 255, 0), (0, 0, 128))],
)
def test_coloured_text_is_4_db_better_than_bicubic(
    ink: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    truth = text(ink, ground)
    small = np.asarray(cv2.resize(truth, (96, 24), interpolation=cv2.INTER_AREA), np.uint8)
    made = upscale(Picture(small), Upscale(), tools()).pixels
    bicubic = np.asarray(Image.fromarray(small).resize((192, 48), Image.Resampling.BICUBIC))
    assert psnr(made, truth) > psnr(bicubic, truth) + 4


def test_both_engines_agree_on_each_way() -> None:
    catalogue = Catalogue.read(None)
    weights = catalogue.find("darkroom-fast", 2)
    path = catalogue.path(weights)
    small = text((255, 0, 0), (0, 0, 255))[:, :60]
    results = set()
    for chroma in Chroma:
        one = REFERENCE.enlarge(path, weights, small, chroma)
        other = OpenVINO().enlarge(path, weights, small, chroma)
        assert np.abs(one.astype(int) - other).max() <= 2
        results.add(one.tobytes())
    assert len(results) == len(Chroma)


def test_network_enlarges_colour_only_where_it_makes_edges() -> None:
    y, x = np.mgrid[:600, :80]
    smooth = np.dstack([x * 3, 255 - x * 3, y // 3]).astype(np.uint8)
    assert choose_chroma(smooth) is Chroma.LANCZOS
    assert choose_chroma(smooth[:, :, 0]) is Chroma.LANCZOS
    for at in (10, 255, 256, 511):  # also between two bands of rows
        line = smooth.copy()
        line[at, :] = (255, 0, 0)
        assert choose_chroma(line) is Chroma.NETWORK, at
    spot = smooth.copy()
    spot[300:302, 40:42] = (255, 0, 0)
    assert choose_chroma(spot) is Chroma.LANCZOS
    for side in ((1, 1), (1, 9), (9, 1)):
        assert choose_chroma(np.full((*side, 3), 90, np.uint8)) is Chroma.LANCZOS


def test_planes_are_the_channels_or_luma() -> None:
    seen: list[Pixels] = []

    def plane(part: Pixels) -> Pixels:
        seen.append(part)
        return np.asarray(np.kron(part, np.ones((2, 2), np.uint8)), np.uint8)

    pixels = text((255, 0, 0), (0, 0, 255))
    made = colour.enlarge(plane, pixels, 2, Chroma.NETWORK)
    assert (made[::2, ::2] == pixels).all()
    assert len(seen) == 3
    colour.enlarge(plane, pixels, 2, Chroma.LANCZOS)
    assert (seen[3] == cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb)[:, :, 0]).all()
    assert len(seen) == 4
