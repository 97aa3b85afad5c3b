"""Decode damaged pictures as far as they can be, and say what is missing.

Decoders get a mended copy: of a JPEG without its end marker, and of a PNG with broken comments or
samples.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from models.errors import BadImage
from models.images import jpeg, png
from models.images.metadata import MetadataChoice
from workers.imaging import codec, jpeg_damage, losses, notes, png_damage
from workers.imaging.codec import MinimumSize
from workers.imaging.picture import Picture

_MENDED = "mended"  # name of the copy


def decode(
    path: Path,
    folder: Path,
    max_pixels: int,
    minimum_size: MinimumSize | None = None,
    keep: MetadataChoice = "none",
) -> Picture:
    """Decode the file at ``path`` as ``codec.decode`` does, also if it is damaged.

    A mended copy is written into ``folder`` and left there: a child process may delete nothing.

    Raises:
        BadImage: more than ``damage.MAX_MISSING_SHARE`` is missing, or nothing can be decoded.
        TooManyPixels: more than ``max_pixels``.
    """
    with _mapped(path) as data:
        is_jpeg, is_png = data[:3] == b"\xff\xd8\xff", data[:4] == b"\x89PNG"
    if is_jpeg:
        return _decode_jpeg(path, folder / _MENDED, max_pixels, minimum_size, keep)
    if is_png:
        return _decode_png(path, folder / _MENDED, max_pixels, keep)
    return codec.decode(path, max_pixels, minimum_size, keep)


def _decode_jpeg(
    path: Path,
    mended: Path,
    max_pixels: int,
    minimum_size: MinimumSize | None,
    keep: MetadataChoice,
) -> Picture:
    with _mapped(path) as data:
        layout = jpeg.read_layout(data)
        note = jpeg_damage.examine(data)
        has_video = losses.has_video(data, layout)
        if not layout.has_end_marker:
            mended.write_bytes(data[: layout.end] + jpeg.END_MARKER)
            path = mended
    # Only blocks of coefficients can be scaled; a lossless JPEG has none.
    picture = codec.decode(path, max_pixels, None if layout.is_lossless else minimum_size, keep)
    said = [notes.VIDEO] if has_video and notes.VIDEO not in picture.notes else []
    said += [] if note is None else [note]
    return replace(picture, notes=(*picture.notes, *said)) if said else picture


def _decode_png(path: Path, mended: Path, max_pixels: int, keep: MetadataChoice) -> Picture:
    with _mapped(path) as data:
        chunks = list(png.read_chunks(data))  # once: it reads all of the file for its checksums
        is_mended = png_damage.write_sound_chunks(data, chunks, mended)
        lost: tuple[str, ...] = (notes.PROFILE_BROKEN,) if png_damage.lacks_profile(chunks) else ()
        if keep != "none" and (broken := png_damage.broken_metadata(data, chunks)):
            lost = (*lost, notes.METADATA_UNFIT.format(", ".join(broken)))
    with suppress(BadImage):
        picture = codec.decode(mended if is_mended else path, max_pixels, None, keep)
        with _mapped(path) as data:
            if png_damage.has_all_rows(data, chunks, picture.pixels):
                return replace(picture, notes=(*lost, *picture.notes))
        del picture  # two are never in memory together
    with _mapped(path) as data:
        note = png_damage.write_filled(data, chunks, mended)
    picture = codec.decode(mended, max_pixels, None, keep)
    return replace(picture, notes=(*lost, *picture.notes, note))


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file for a short time: what is read of it counts as memory of the process."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
