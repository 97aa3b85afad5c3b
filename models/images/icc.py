"""The ICC profile in an image file: its unpacked size, and how large it may be.

Every result repeats the profile of its picture, so that a small file with a large profile would
become many large results.
"""

from __future__ import annotations

import re
import zlib

from models.errors import BadImage
from models.images.png import has_right_checksum
from models.images.structure import Bytes, search

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Those of printing presses, the largest in use, have 0.5 to 3 MB."""
_FREE_BYTES = 512 * 1024  # for a picture of any size
_BYTES_PER_PIXEL = 4  # beyond that: more than the pixels themselves

_PNG_HEADER_BYTES = 8
# The head of an APP2 segment: its length, and the mark of a profile (ICC.1:2022, annex B.4).
_JPEG_PART = re.compile(rb"\xff\xe2(..)ICC_PROFILE\0", re.DOTALL)
_JPEG_PART_BYTES = 16  # that the pattern matches
_JPEG_PART_HEAD_BYTES = 16  # length, mark, number and count


def png_profile_bytes(data: Bytes) -> int:
    """Return the unpacked bytes of the profile in a PNG whose chunks are complete.

    That is the first with a right checksum; more are not decoded, see ``png.read_chunks``. So a
    file of many small ones costs no more than one. Unpacking stops beyond MAX_PROFILE_BYTES.
    """
    at = _PNG_HEADER_BYTES
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"iCCP" and has_right_checksum(data, at, at + 12 + length):
            content = data[at + 8 : at + 8 + length]
            start = content.find(b"\0") + 2  # a byte names the compression
            try:
                unpack = zlib.decompressobj()
                return len(unpack.decompress(content[start:], MAX_PROFILE_BYTES + 1))
            except zlib.error:  # decoders ignore it
                return 0
        at += 12 + length
    return 0


def jpeg_profile_bytes(data: Bytes) -> int:
    """Return the bytes of all parts of the profile in a JPEG, or a few more: never fewer."""
    total, at = 0, 0
    while (part := search(_JPEG_PART, data, at, _JPEG_PART_BYTES)) is not None:
        total += max(0, int.from_bytes(part[1], "big") - _JPEG_PART_HEAD_BYTES)
        at = part.end()
    return total


def check_profile(profile_bytes: int, pixels: int) -> None:
    """Return if a picture of ``pixels`` may carry a profile of ``profile_bytes``.

    Raises:
        BadImage: it is larger; the error names the limit and the measured value.
    """
    limit = min(MAX_PROFILE_BYTES, _FREE_BYTES + _BYTES_PER_PIXEL * pixels)
    if profile_bytes > limit:
        more = " or more" if profile_bytes > MAX_PROFILE_BYTES else ""
        raise BadImage(
            f"the colour profile in the picture has {profile_bytes} bytes{more}; at most {limit} "
            f"are allowed in a picture of {pixels} pixels: remove it, or convert the picture to "
            "sRGB",
            limit=limit,
            measured=profile_bytes,
        )
