"""The flip operation: mirrored as Pillow does it, without loss; refused directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.operations import parse
from models.operations.flip import Direction, Flip
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, image, refusal
from workers.imaging.picture import Picture


@pytest.mark.parametrize(
    ("direction", "transposed"),
    [
        ("horizontal", Image.Transpose.FLIP_LEFT_RIGHT),
        ("vertical", Image.Transpose.FLIP_TOP_BOTTOM),
    ],
)
@pytest.mark.parametrize("size", [(60, 50), (1, 7), (7, 1), (1, 1)])
def test_flip_equals_pillow(
    direction: Direction, transposed: Image.Transpose, size: tuple[int, int]
) -> None:
    spec = Flip(direction=direction)
    source = Picture(bgr(*size), bgr(*size)[:, :, 2].copy(), b"profile")
    result = apply(source, spec)
    expected = np.asarray(image(source).transpose(transposed))[:, :, ::-1]
    assert (result.pixels == expected).all()
    assert result.alpha is not None
    assert (result.alpha == expected[:, :, 2]).all()
    assert result.icc == b"profile"
    gray = apply(Picture(bgr(*size)[:, :, 0].copy()), spec)
    assert (gray.pixels == expected[:, :, 0]).all()


def test_a_view_of_a_larger_picture_is_flipped_alone() -> None:
    window = Picture(bgr(), bgr()[:, :, 1].copy()).window(7, 5, 20, 10)
    result = apply(window, Flip())
    assert (result.pixels == bgr()[5:15, 7:27][:, ::-1]).all()
    assert result.alpha is not None
    assert (result.alpha == bgr()[5:15, 7:27, 1][:, ::-1]).all()


def test_both_directions_are_half_a_turn() -> None:
    both = apply(apply(Picture(bgr()), Flip()), Flip(direction="vertical"))
    assert (both.pixels == apply(Picture(bgr()), parse("rotate", {"angle": 180})).pixels).all()


def test_documents_and_labels() -> None:
    assert document("flip") == {"op": "flip", "direction": "horizontal"}
    assert document("flip", direction="vertical") == {"op": "flip", "direction": "vertical"}
    assert parse("flip", {"direction": "vertical"}).label() == "flip-vertical"


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "both", "Horizontal", "1"])
def test_other_directions_are_refused(value: Any) -> None:
    sentence = refusal("flip", direction=value)
    assert sentence.startswith("flip: direction: ")


def test_refusals_say_what_would_pass() -> None:
    assert "'horizontal' or 'vertical' (got 'both')" in refusal("flip", direction="both")
    assert "unknown field 'angle'; known: direction" in refusal("flip", angle="90")
