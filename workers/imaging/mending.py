"""Decode damaged pictures as far as they can be, and say what is missing.

Decoders get a mended copy: of a JPEG without its end marker, and of a PNG with broken comments or
samples.
"""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path

from models.errors import BadImage
from models.images import jpeg
from models.images.structure import Bytes
from workers.imaging import codec, jpeg_damage, png_damage
from workers.imaging.codec import MinimumSize
from workers.imaging.picture import Picture

_MENDED = "mended"  # name of the copy


def decode(
    path: Path, folder: Path, max_pixels: int, minimum_size: MinimumSize | None = None
) -> Picture:
    """Decode the file at ``path`` as ``codec.decode`` does, also if it is damaged.

    A mended copy is written into ``folder`` and left there: a child process may delete nothing.

    Raises:
        BadImage: more than ``damage.MAX_MISSING_SHARE`` is missing, or nothing can be decoded.
        TooManyPixels: more than ``max_pixels``.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if data[:3] == b"\xff\xd8\xff":
            return _decode_jpeg(data, path, folder / _MENDED, max_pixels, minimum_size)
        if data[:4] == b"\x89PNG":
            return _decode_png(data, path, folder / _MENDED, max_pixels)
    return codec.decode(path, max_pixels, minimum_size)


def _decode_jpeg(
    data: Bytes, path: Path, mended: Path, max_pixels: int, minimum_size: MinimumSize | None
) -> Picture:
    layout = jpeg.read_layout(data)
    note = jpeg_damage.examine(data)
    if not layout.has_end_marker:
        mended.write_bytes(data[: layout.end] + jpeg.END_MARKER)
        path = mended
    # Only blocks of coefficients can be scaled; a lossless JPEG has none.
    picture = codec.decode(path, max_pixels, None if layout.is_lossless else minimum_size)
    return picture if note is None else replace(picture, notes=(*picture.notes, note))


def _decode_png(data: Bytes, path: Path, mended: Path, max_pixels: int) -> Picture:
    if png_damage.write_sound_chunks(data, mended):
        path = mended
    try:
        return codec.decode(path, max_pixels)
    except BadImage:
        note = png_damage.write_filled(data, mended)
    picture = codec.decode(mended, max_pixels)
    return replace(picture, notes=(*picture.notes, note))
