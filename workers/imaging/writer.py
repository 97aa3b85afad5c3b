"""Write result files and describe them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from workers.imaging import codec, notes, png16
from workers.imaging.picture import Picture


@dataclass(frozen=True)
class Output:
    """A result file on disk; sides in pixels. ``notes``: for the user."""

    path: str
    width: int
    height: int
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


def write(picture: Picture, encoding: Encoding, writing: EncoderSettings, path: Path) -> Output:
    """Write ``picture`` to ``path``, the same bytes that ``codec.encode`` returns.

    Raises:
        BadImage: the encoder refuses it.
    """
    if encoding.format != "png" or not _write_png(picture, writing.png_level, path):
        if encoding.format == "png" and picture.is_16_bit:
            with path.open("wb") as to:
                png16.write(to, picture.pixels, picture.alpha, picture.icc, writing.png_level)
        else:
            path.write_bytes(codec.encode(picture, encoding, writing))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    notes_made = picture.notes
    if encoding.format != "png" and picture.is_16_bit:
        notes_made = (*notes_made, notes.REDUCED_FOR_FORMAT)
    if encoding.format == "jpeg" and picture.alpha is not None:
        notes_made = (*notes_made, notes.ON_WHITE)
    size = path.stat().st_size
    return Output(str(path), picture.width, picture.height, size, sha256, notes_made)


def _write_png(picture: Picture, level: int, path: Path) -> bool:
    """Write a PNG row by row: encoding in memory would take up to twice its raw size.

    Return False where OpenCV cannot: gray with alpha, and profiles that libpng refuses.
    """
    pixels = picture.pixels
    if picture.alpha is not None:
        if pixels.ndim == 2:
            return False
        pixels = np.dstack([pixels, picture.alpha])
    try:
        if picture.icc is None:
            return bool(cv2.imwrite(str(path), pixels, codec.png_flags(level)))
        profile = np.frombuffer(picture.icc, np.uint8)
        return bool(
            cv2.imwriteWithMetadata(
                str(path),
                pixels,
                [cv2.IMAGE_METADATA_ICCP],
                [profile],
                codec.png_flags(level),
            )
        )
    except cv2.error:
        return False
