"""Limits and checks that the container walks of all formats share.

The walks decode nothing. Hostile files cost little: each walk is one pass with a bounded number of
steps. Sizes are those of the upright picture, after its EXIF orientation.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass

from models.errors import BadImage

Bytes = bytes | mmap.mmap

MAX_BLOCKS = 100_000
"""Maximum chunks, segments or blocks of a file; a camera's has dozens, an editor's thousands."""

MAX_EXIF_BYTES = 65_536
"""Bytes of an EXIF block that are read; the rest is ignored."""

_STEP_BYTES = 65_536
"""Bytes of a file that one call searches: a regular expression lets no other thread run."""


@dataclass(frozen=True)
class Facts:
    """What a walk finds. ``size``: (width, height) in pixels, upright.

    ``depth``: bits a sample, 8 or 16, and ``channels``: 1 to 4 with alpha, both of the decoded
    picture, at most. ``profile_bytes``: of its colour profile. ``frames``: of an animation.
    """

    size: tuple[int, int]
    depth: int
    channels: int
    profile_bytes: int = 0
    frames: int = 1


def search(
    pattern: re.Pattern[bytes], data: Bytes, at: int, width: int = 2
) -> re.Match[bytes] | None:
    """Return the first match of ``pattern``, which is ``width`` bytes, from ``at``; in steps."""
    for start in range(at, len(data), _STEP_BYTES):
        match = pattern.search(data, start, start + _STEP_BYTES + width - 1)
        if match is not None:
            return match
    return None


def checked_size(
    format_name: str,
    size: tuple[int, int],
    pictures: int,
    data_bytes: int = 0,
    least_bytes: int = 0,
) -> tuple[int, int]:
    """Return ``size`` (width, height) of a file that holds ``pictures`` pictures.

    ``least_bytes``: what the data of such a picture takes at least, however flat it is, so that a
    few bytes cannot claim any size. GIF and WebP have no such minimum: a canvas may be larger than
    its frame, and a lossless WebP of one colour has no data at all.

    Raises:
        BadImage: there is no picture, a side is 0, or ``data_bytes`` are fewer.
    """
    if not pictures or min(size) < 1:
        raise BadImage(f"the {format_name} file holds no picture")
    if data_bytes < least_bytes:
        raise BadImage(
            f"the {format_name} file is truncated: {size[0]} x {size[1]} pixels take at least "
            f"{least_bytes} bytes, and it has {data_bytes}; send all of it",
            limit=least_bytes,
        )
    return size
