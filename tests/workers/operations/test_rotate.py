"""The rotate operation: quarter turns, clockwise, without loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.operations import parse
from models.operations.rotate import Rotate
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, image, refusal
from workers.imaging.picture import Picture


@pytest.mark.parametrize(
    ("angle", "turn"),
    [
        (90, Image.Transpose.ROTATE_270),  # Pillow rotates counterclockwise
        (180, Image.Transpose.ROTATE_180),
        (270, Image.Transpose.ROTATE_90),
    ],
)
@pytest.mark.parametrize("size", [(60, 50), (1, 7), (7, 1), (1, 1)])
def test_rotation_equals_pillow(angle: int, turn: Image.Transpose, size: tuple[int, int]) -> None:
    spec = Rotate(angle=angle)
    source = Picture(bgr(*size), bgr(*size)[:, :, 2].copy(), b"profile")
    result = apply(source, spec)
    expected = np.asarray(image(source).transpose(turn))[:, :, ::-1]
    assert (result.pixels == expected).all()
    assert result.alpha is not None
    assert (result.alpha == expected[:, :, 2]).all()
    assert [result.size] == spec.output_sizes(*size)
    assert result.icc == b"profile"
    gray = apply(Picture(bgr(*size)[:, :, 0].copy()), spec)
    assert (gray.pixels == expected[:, :, 0]).all()


def test_four_quarter_turns_restore_the_picture() -> None:
    picture = Picture(bgr())
    for _ in range(4):
        picture = apply(picture, Rotate(angle=90))
    assert (picture.pixels == bgr()).all()


@pytest.mark.parametrize(
    ("angle", "canonical"),
    [("90", 90), ("-90", 270), ("-180", 180), ("450", 90), ("90.0", 90), ("-270", 90)],
)
def test_equal_angles_have_the_same_document(angle: str, canonical: int) -> None:
    assert document("rotate", angle=angle) == {"op": "rotate", "angle": canonical}
    assert parse("rotate", {"angle": angle}).label() == f"rotate-{canonical}"


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "90.5", "-3690", "3690"])
def test_invalid_angles_are_refused(value: Any) -> None:
    assert refusal("rotate", angle=value).startswith("rotate: angle: ")


@pytest.mark.parametrize("value", ["0", "360", "-360", "45", "1"])
def test_other_angles_than_quarter_turns_are_refused(value: str) -> None:
    assert f"90, 180 or 270 degrees, or by -90, -180 or -270 (got '{value}')" in refusal(
        "rotate", angle=value
    )


def test_missing_and_unknown_parameters() -> None:
    assert "angle is missing: Degrees clockwise: 90, 180 or 270" in refusal("rotate")
    assert "unknown field 'flip'; known: angle" in refusal("rotate", angle="90", flip="x")
