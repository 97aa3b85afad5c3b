"""Limits and checks that the container walks of PNG, JPEG, GIF and WebP share.

The walks decode nothing. Hostile files cost little: each walk is one pass with a bounded number of
steps. Sizes are those of the upright picture, after its EXIF orientation.
"""

from __future__ import annotations

import mmap

from models.errors import BadImage

Bytes = bytes | mmap.mmap

MAX_BLOCKS = 100_000
"""Maximum chunks, segments or blocks of a file; a camera's has dozens, an editor's thousands."""

MAX_EXIF_BYTES = 65_536
"""Bytes of an EXIF block that are read; the rest is ignored."""


def checked_size(format_name: str, size: tuple[int, int], pictures: int) -> tuple[int, int]:
    """Return ``size`` (width, height) of a file that holds ``pictures`` pictures.

    Raises:
        BadImage: there is no picture, or a side is 0.
    """
    if not pictures or min(size) < 1:
        raise BadImage(f"the {format_name} file holds no picture")
    return size
