"""Every operation of the registry: sizes, depth, alpha, unchanged input."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from docs.generate.illustrations import BEFORE
from models.errors import BadParameter
from models.operations import OPERATIONS, parse
from tests.support import images
from tests.workers.operations import tools
from workers.imaging.picture import Picture, Samples
from workers.operations import run

KINDS = ("gray", "gray+alpha", "colour", "colour+alpha")
WIDTH, HEIGHT = BEFORE  # every example fits: the pages illustrate it at this size
TOLERANCE = 3.5  # levels of 255: OpenCV rounds 8-bit weights to 256ths


def picture(kind: str, depth: type[np.uint8 | np.uint16]) -> Picture:
    """Return WIDTH x HEIGHT pixels; samples of 16 bits are 257 times those of 8 bits."""
    colour = images.scene(WIDTH, HEIGHT)
    pixels: NDArray[Any] = colour[:, :, 1] if kind.startswith("gray") else colour[:, :, ::-1]
    alpha = np.linspace(96, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    factor = 257 if depth is np.uint16 else 1

    def samples(values: NDArray[Any]) -> Samples:
        return np.ascontiguousarray(values.astype(depth) * np.array(factor, depth))

    return Picture(samples(pixels), samples(alpha) if kind.endswith("alpha") else None)


@cache
def results(op: str, kind: str, depth: type[np.uint8 | np.uint16]) -> list[Picture]:
    """Return what the operation's example makes of ``picture(kind, depth)``, unchanged by it."""
    source = picture(kind, depth)
    kept = replace(source, pixels=source.pixels.copy())
    made = run(source, parse(op, OPERATIONS[op].example), tools())
    assert (source.pixels == kept.pixels).all(), "the input was written to"
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", OPERATIONS)
def test_sizes_depth_and_alpha(op: str, kind: str) -> None:
    spec = parse(op, OPERATIONS[op].example)
    sizes = spec.output_sizes(WIDTH, HEIGHT)
    assert len(sizes) == spec.parts
    for depth in (np.uint8, np.uint16):
        made = results(op, kind, depth)
        assert [(result.width, result.height) for result in made] == sizes
        for result in made:
            assert result.pixels.dtype == (np.uint8 if spec.runs_network else depth)
            assert (result.alpha is None) != kind.endswith("alpha")
            if result.alpha is not None:
                assert result.alpha.dtype == result.pixels.dtype
                assert result.alpha.shape == result.pixels.shape[:2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", OPERATIONS)
def test_16_bits_give_the_same_result_as_8_bits(op: str, kind: str) -> None:
    spec = OPERATIONS[op]
    narrow, deep = results(op, kind, np.uint8), results(op, kind, np.uint16)
    for eight, sixteen in zip(narrow, deep, strict=True):
        scale = 1 if spec.runs_network else 257
        assert bool(sixteen.notes) == spec.runs_network, "a reduced depth has a note"
        difference = np.abs(sixteen.pixels / scale - eight.pixels)
        assert difference.max() <= TOLERANCE
        if eight.alpha is not None and sixteen.alpha is not None:
            assert np.abs(sixteen.alpha / scale - eight.alpha).max() <= TOLERANCE


@pytest.mark.parametrize("op", OPERATIONS)
def test_negative_zero_is_zero(op: str) -> None:
    spec = OPERATIONS[op]
    for name in spec.model_fields:
        try:
            parsed = parse(op, {**spec.example, name: "-0.0"})
        except BadParameter:
            continue
        value = getattr(parsed, name)
        assert not isinstance(value, float) or str(value) != "-0.0"
