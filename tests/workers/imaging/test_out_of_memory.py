"""Shortages of memory as each library reports them, and errors that are none."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import simplejpeg

from models.errors import TooMuchMemory
from tests.support import images
from workers.imaging.out_of_memory import naming_shortage

_HUGE = 1 << 62


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(_HUGE),
        lambda: np.empty(_HUGE, np.uint8),
        lambda: cv2.copyMakeBorder(
            np.zeros((1, 1), np.uint8), 0, (1 << 31) - 2, 0, (1 << 31) - 2, cv2.BORDER_CONSTANT
        ),
    ],
)
def test_a_shortage_is_named(allocate: Callable[[], object]) -> None:
    with (
        pytest.raises(TooMuchMemory, match="than the 300 MB predicted for it") as caught,
        naming_shortage(300_000_000),
    ):
        allocate()
    assert caught.value.facts == {"setting": "MEMORY_BUDGET", "limit": 300_000_000}


@pytest.mark.parametrize(
    "fail",
    [
        [].pop,
        lambda: cv2.resize(np.zeros((1, 1), np.uint8), (0, 0)),
        lambda: simplejpeg.decode_jpeg(images.jpeg()[:300]),
    ],
)
def test_other_errors_stay(fail: Callable[[], object]) -> None:
    with pytest.raises((IndexError, cv2.error, ValueError)), naming_shortage(1):
        fail()
