"""Walk the blocks of a GIF file: its size, and whether it is complete."""

from __future__ import annotations

import struct

from models.errors import BadImage
from models.images.structure import MAX_BLOCKS, Bytes, Facts, checked_size

_MAX_SUB_BLOCKS = 1_000_000
"""Maximum data sub-blocks; encoders fill them with 255 bytes each, so this is about 240 MiB."""

_HEADER_BYTES = 13  # signature and logical screen


def read_facts(data: Bytes) -> Facts:
    """Return what a GIF file (GIF89a) holds, walked to its trailer: the canvas and its frames.

    The canvas is the logical screen, or larger if the first frame reaches past it. Stray bytes
    between blocks are skipped, as decoders do.

    Raises:
        BadImage: the file ends early, holds no picture, or has too many blocks.
    """
    if len(data) < _HEADER_BYTES or data[:6] not in {b"GIF87a", b"GIF89a"}:
        raise BadImage("the GIF file is broken: it does not begin with a header")
    size, flags = struct.unpack_from("<HH", data, 6), data[10]
    at, left = _HEADER_BYTES + _colour_table_bytes(flags), _MAX_SUB_BLOCKS
    frames = pictures = 0  # frames without an area count as frames only
    for _ in range(MAX_BLOCKS):
        kind = data[at : at + 1]
        if kind == b";":
            return Facts(checked_size("GIF", size, pictures), 8, 4, frames=frames)
        if kind == b"!":
            at, left = _skip_sub_blocks(data, at + 2, left)
        elif kind == b"," and at + 10 <= len(data):
            x, y, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not pictures:
                size = (max(size[0], x + width), max(size[1], y + height))
            frames += 1
            pictures += min(width, height) > 0
            at, left = _skip_sub_blocks(data, at + 11 + _colour_table_bytes(flags), left)
        elif not kind or kind == b",":
            raise BadImage("the GIF file is truncated: its end mark is missing; send all of it")
        else:
            at += 1
    raise BadImage(f"the GIF file has more than {MAX_BLOCKS} blocks", limit=MAX_BLOCKS)


def read_size(data: Bytes, frames: int) -> tuple[int, int]:
    """Return (width, height) of the canvas of a GIF file that ends with its trailer: of a result.

    Raises:
        BadImage: as ``read_facts``, another byte comes last, or it has more than ``frames``.
    """
    if data[len(data) - 1 :] != b";":
        raise BadImage("the GIF file is truncated: its end mark is missing; send all of it")
    found = read_facts(data)
    if found.frames > frames:
        raise BadImage(f"it has more than {frames} frames", limit=frames, measured=found.frames)
    return found.size


def _colour_table_bytes(flags: int) -> int:
    """Return the size of the colour table that ``flags`` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_sub_blocks(data: Bytes, at: int, left: int) -> tuple[int, int]:
    """Return where the sub-blocks from ``at`` end, and how many more the file may have."""
    end = len(data)
    while at < end and left:
        length = data[at]
        at += length + 1
        if not length:
            return at, left
        left -= 1
    if not left:
        raise BadImage(
            f"the GIF file has more than {_MAX_SUB_BLOCKS} blocks of data", limit=_MAX_SUB_BLOCKS
        )
    raise BadImage("the GIF file is truncated: its data breaks off; send all of it")
