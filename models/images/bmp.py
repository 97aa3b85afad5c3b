"""Read the header of a BMP file: its size, and whether its pixels are there."""

from __future__ import annotations

import struct

from models.errors import BadImage, UnsupportedFormat
from models.images.structure import Bytes, Facts, checked_size

_FILE_HEADER_BYTES = 14
_CORE_HEADER_BYTES = 12  # of OS/2 1: sides of two bytes
_HEADER_BYTES = frozenset({_CORE_HEADER_BYTES, 40, 52, 56, 64, 108, 124})
_PLAIN, _RLE8, _RLE4, _MASKS = 0, 1, 2, 3
_DEPTHS = {
    _PLAIN: (1, 4, 8, 16, 24, 32),
    _RLE8: (8,),
    _RLE4: (4,),
    _MASKS: (16, 24, 32),
}
"""Bits a pixel by compression."""
_FREE_CODE_BYTES = 65_536
_ALPHA_MASK = slice(66, 70)  # of headers that have it, from 56 bytes on


def read_facts(data: Bytes) -> Facts:
    """Return what the header of a BMP file says (BITMAPINFOHEADER and its kin).

    Only the header is read: rows follow at an offset that it names, each of a known length, unless
    they are run-length coded. Then only a decoder can tell whether they are whole.

    Raises:
        BadImage: the file ends early, or its header is broken.
        UnsupportedFormat: a kind of BMP that is not decoded.
    """
    if len(data) < _FILE_HEADER_BYTES + _CORE_HEADER_BYTES:
        raise _truncated(_FILE_HEADER_BYTES + _CORE_HEADER_BYTES, len(data))
    rows, header = struct.unpack_from("<II", data, 10)
    if header not in _HEADER_BYTES:
        raise BadImage(f"the BMP file is broken: its header says that it has {header} bytes")
    start = _FILE_HEADER_BYTES + header
    if start > len(data):
        raise _truncated(start, len(data))
    compression = _PLAIN
    if header == _CORE_HEADER_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits not in _DEPTHS.get(compression, ()):
        raise UnsupportedFormat(
            f"this is a BMP of {bits} bits a pixel with compression {compression}; send one of 1, "
            "4, 8, 16, 24 or 32 bits, uncompressed or run-length coded, or a PNG",
            measured=f"BMP, {bits} bits, compression {compression}",
        )
    size = checked_size("BMP", (width, abs(height)), 1)  # a negative height: from the top down
    least = 1
    if compression in {_PLAIN, _MASKS}:
        least = abs(height) * ((width * bits + 31) // 32 * 4)
    if max(rows, start) + least > len(data):
        raise _truncated(max(rows, start) + least, len(data))
    if compression in {_RLE8, _RLE4}:
        _check_code(size, len(data) - max(rows, start))
    masked = compression == _MASKS and bits == 32 and header >= 56
    has_alpha = masked and any(data[_ALPHA_MASK])
    return Facts(size, 8, 4 if has_alpha else 3)


def _check_code(size: tuple[int, int], came: int) -> None:
    """Return if run-length coded pixels of this ``size`` can take ``came`` bytes.

    A run takes two bytes, and the end of a row. A run of no pixels changes nothing, and a decoder
    would go through millions of them.

    Raises:
        BadImage: they cannot.
    """
    width, height = size
    most = 2 * (width + 1) * height + _FREE_CODE_BYTES
    if came > most:
        raise BadImage(
            f"the BMP file is broken: run-length coded pixels of {width} x {height} take less than "
            f"{most} bytes, and {came} follow its header",
            limit=most,
            measured=came,
        )


def _truncated(least: int, came: int) -> BadImage:
    return BadImage(
        f"the BMP file is truncated: its header and pixels take {least} bytes, and {came} came; "
        "send all of it",
        limit=least,
        measured=came,
    )
