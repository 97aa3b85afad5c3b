"""Encode a Picture, write its file and describe it; the only module that does."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.errors import BadImage
from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from workers.imaging import depth16, icc_profile, notes, png_colours, png_layout, png_writer
from workers.imaging.embedding import Embedding
from workers.imaging.picture import Picture, Pixels

_WEBP_METHOD = 4  # 6 takes twice as long for files 3 % smaller, 2 half as long for 4 % larger
_LOSSLESS_WEBP = {"lossless": True, "exact": True, "quality": 50}
"""exact: colours of hidden pixels, too. quality: the effort; 75 takes twice as long for the same
size, 0 half as long for up to 2 % more."""
_WHITE = 255
_BAND_ROWS = 128


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
    """Encode ``picture`` to ``path``; JPEG has no alpha, so there it is composed on white.

    Only PNG keeps 16 bits. ``writing`` fills in what ``encoding`` leaves open.

    Raises:
        BadImage: the encoder refuses it.
    """
    if encoding.format == "png":
        carried = Embedding.of(picture, encoding)
        few = png_colours.reduce(picture) if picture.few_colours else None
        layout, chunks = few or png_layout.full(picture), carried.png_chunks()
        png_writer.write(path, layout, writing.png_level, chunks, few_colours=few is not None)
        return _describe(picture, path, carried.notes)
    picture = depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_FORMAT)
    carried = Embedding.of(picture, encoding)
    if encoding.format == "webp":
        quality = encoding.quality or writing.webp_quality
        options = _LOSSLESS_WEBP if quality == "lossless" else {"quality": quality}
        path.write_bytes(_webp(picture, carried, options))
        applied = picture.pixels.ndim == 2 and picture.icc is not None
        more = (notes.GRAY_PROFILE,) if applied else ()
        return _describe(picture, path, (*carried.notes, *more))
    data = _encode_with_pillow(
        Image.fromarray(_rgb(_on_white(picture))),
        "JPEG",
        **carried.pillow_options(),
        quality=encoding.quality or writing.jpeg_quality,
        subsampling=writing.jpeg_subsampling,
    )
    path.write_bytes(carried.with_density(data))
    on_white = () if picture.alpha is None else (notes.ON_WHITE,)
    return _describe(picture, path, (*carried.notes, *on_white))


def _describe(picture: Picture, path: Path, more_notes: tuple[str, ...] = ()) -> Output:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size, all_notes = path.stat().st_size, (*picture.notes, *more_notes)
    return Output(str(path), picture.width, picture.height, size, sha256, all_notes)


def _webp(picture: Picture, carried: Embedding, quality: Mapping[str, Any]) -> bytes:
    """Encode as WebP, which has no gray: a gray profile would not fit, so gray becomes sRGB."""
    image = Image.fromarray(_rgb(depth16.to_8_bits(picture.pixels)))
    options = carried.pillow_options()
    if picture.pixels.ndim == 2:
        image, options["icc_profile"] = icc_profile.to_srgb(image, picture.icc), None
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return _encode_with_pillow(image, "WEBP", **options, **quality, method=_WEBP_METHOD)


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(pixels[:, :, ::-1], np.uint8)


def _encode_with_pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode in memory: in a file, Pillow tells a full disk no better than a bad picture."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise BadImage(
            f"{image.width} x {image.height} pixels cannot be written: {error}"
        ) from None
    return buffer.getvalue()


def _on_white(picture: Picture) -> Pixels:
    """Return 8-bit pixels composed on white."""
    pixels = depth16.to_8_bits(picture.pixels)
    if picture.alpha is None:
        return pixels
    flat = np.empty_like(pixels)
    # In bands: intermediate arrays take several times the memory of their pixels.
    for top in range(0, picture.height, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        share = picture.alpha[rows].astype(np.uint16)
        if pixels.ndim == 3:
            share = share[:, :, None]
        mixed = pixels[rows] * share + _WHITE * (255 - share) + 127
        flat[rows] = mixed // 255
    return flat
