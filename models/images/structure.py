"""Limits and checks that the container walks of PNG, JPEG, GIF and WebP share.

The walks decode nothing. Hostile files cost little: each walk is one pass with a bounded number of
steps. Sizes are those of the upright picture, after its EXIF orientation.
"""

from __future__ import annotations

import mmap
import re

from models.errors import BadImage

Bytes = bytes | mmap.mmap

MAX_BLOCKS = 100_000
"""Maximum chunks, segments or blocks of a file; a camera's has dozens, an editor's thousands."""

MAX_EXIF_BYTES = 65_536
"""Bytes of an EXIF block that are read; the rest is ignored."""

_STEP_BYTES = 65_536
"""Bytes of a file that one call searches: a regular expression lets no other thread run."""


def search(pattern: re.Pattern[bytes], data: Bytes, at: int) -> re.Match[bytes] | None:
    """Return the first match of ``pattern``, which matches two bytes, from ``at``; in steps."""
    for start in range(at, len(data), _STEP_BYTES):
        match = pattern.search(data, start, start + _STEP_BYTES + 1)
        if match is not None:
            return match
    return None


def checked_size(format_name: str, size: tuple[int, int], pictures: int) -> tuple[int, int]:
    """Return ``size`` (width, height) of a file that holds ``pictures`` pictures.

    Raises:
        BadImage: there is no picture, or a side is 0.
    """
    if not pictures or min(size) < 1:
        raise BadImage(f"the {format_name} file holds no picture")
    return size
