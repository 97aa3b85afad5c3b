"""Filters of rows are those of the PNG specification, whatever the samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import images
from workers.imaging.png_filters import ALL, NONE, PAETH, SUB, UP, filter_rows


def paeth(left: int, above: int, corner: int) -> int:
    """Return the prediction, as section 9.4 puts it."""
    guess = left + above - corner
    distances = abs(guess - left), abs(guess - above), abs(guess - corner)
    return (left, above, corner)[distances.index(min(distances))]


def undone(filtered: NDArray[np.uint8], distance: int) -> NDArray[np.uint8]:
    """Return the samples that a decoder gets, one by one (section 9.2)."""
    height, width = filtered.shape[0], filtered.shape[1] - 1
    made = np.zeros((height + 1, distance + width), int)  # zeros above and at the left
    for y in range(height):
        kind = filtered[y, 0]
        for x in range(width):
            left, above, corner = made[y + 1, x], made[y, x + distance], made[y, x]
            guess = (0, left, above, (left + above) // 2, paeth(left, above, corner))[kind]
            made[y + 1, x + distance] = (int(filtered[y, x + 1]) + guess) % 256
    return made[1:, distance:].astype(np.uint8)


def above(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])


SAMPLES = {
    "noise": np.random.default_rng(4).integers(0, 256, (12, 48), np.uint8),
    "two-levels": np.random.default_rng(5).integers(0, 2, (12, 48), np.uint8) * 255,
    "photograph": images.scene(16, 12).reshape(12, 48),
    "flat": np.full((3, 8), 9, np.uint8),
    "one-byte": np.full((1, 1), 200, np.uint8),
}


@pytest.mark.parametrize("distance", [1, 3, 4, 8])
@pytest.mark.parametrize("kinds", [*((kind,) for kind in ALL), ALL], ids=str)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_decoder_gets_the_samples(name: str, kinds: tuple[int, ...], distance: int) -> None:
    rows = SAMPLES[name]
    filtered = filter_rows(rows, above(rows), distance, kinds)
    assert set(filtered[:, 0]) <= set(kinds)
    assert (undone(filtered, distance) == rows).all()


def test_each_row_gets_the_filter_that_suits_it() -> None:
    ramp = np.arange(0, 96, 2, dtype=np.uint8)
    noise = SAMPLES["noise"][0]
    rows = np.stack([ramp, noise, noise, np.zeros_like(noise)])
    found = list(filter_rows(rows, above(rows), 1, (NONE, SUB, UP))[:, 0])
    assert (found[0], found[2], found[3]) == (SUB, UP, NONE)
    assert (filter_rows(rows, above(rows), 1, (PAETH,))[:, 0] == PAETH).all()
