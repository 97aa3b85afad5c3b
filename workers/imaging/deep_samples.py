"""Samples of more than 8 bits in a TIFF, AVIF or HEIC, which Pillow would reduce to 8.

All become uint16, 0 to 65535, as those of a 16-bit PNG.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from models.errors import BadImage
from models.images import tiff
from workers.imaging import decoders, heif_file
from workers.imaging.depth16 import MAX_SAMPLE, Samples16
from workers.imaging.picture import Picture, Samples

_BAND_PIXELS = 1 << 20
_GRAY_TIFF = {"I;16", "I;16B"}  # Pillow's modes, which keep all bits


def read(file: Image.Image, path: Path) -> Picture | None:
    """Return pixels and alpha of the image at ``path``; None: its samples have 8 bits or fewer.

    ``file`` is the same, opened by Pillow but not loaded, so that Pillow's checks apply here too.
    The pixels of a TIFF and a HEIC are upright; those of an AVIF are as stored.

    Raises:
        BadImage: the data are broken.
    """
    if file.format == "TIFF":
        return _read_tiff(file, path)
    if file.format == "HEIF" and file.info["bit_depth"] > 8:
        return _read_heic(file, path)
    layout = heif_file.layout_of(file, path)
    if file.format == "AVIF" and layout is not None and layout.bits > 8:
        file.close()
        return _of_opencv(path, layout.bits)
    return None


def is_reduced(file: Image.Image, path: Path) -> bool:
    """Return whether samples of 16 bits are reduced to 8: OpenCV mixes separate planes up."""
    return file.format == "TIFF" and _is_reduced(_layout(path))


def _is_reduced(layout: tiff.Layout) -> bool:
    return layout.separate and layout.bits > 8 and layout.photometric == tiff.RGB


def _layout(path: Path) -> tiff.Layout:
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return tiff.read_layout(data)


def _read_tiff(file: Image.Image, path: Path) -> Picture | None:
    layout = _layout(path)
    if layout.bits <= 8 or layout.photometric == tiff.CMYK or _is_reduced(layout):
        return None
    if file.mode not in _GRAY_TIFF:
        picture = _of_opencv(path, layout.bits)
        is_weighted = layout.extra[:1] == (tiff.ASSOCIATED_ALPHA,)
        return _unweighted(picture) if is_weighted else _without_others(picture, layout.has_alpha)
    file.load()  # turns it upright
    samples = _widened(np.array(file, np.uint16), layout.bits)
    if layout.photometric == tiff.WHITE_IS_ZERO:
        samples = np.asarray(MAX_SAMPLE - samples, np.uint16)
    return Picture(samples)


def _read_heic(file: Image.Image, path: Path) -> Picture:
    bits = file.info["bit_depth"]
    file.close()
    samples = _widened(decoders.heic_samples(path), bits)
    colours = samples[..., 2::-1] if samples.ndim == 3 else samples
    alpha = samples[..., 3] if samples.ndim == 3 and samples.shape[2] == 4 else None
    return Picture(
        np.ascontiguousarray(colours), None if alpha is None else np.ascontiguousarray(alpha)
    )


def _of_opencv(path: Path, bits: int) -> Picture:
    try:
        data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise
        data = None
    if data is None or data.dtype != np.uint16:
        raise BadImage("the picture cannot be decoded: its samples are broken or incomplete")
    samples = _widened(np.asarray(data, np.uint16), bits)
    if samples.ndim == 2 or samples.shape[2] == 3:
        return Picture(samples)
    alpha = np.ascontiguousarray(samples[:, :, 3])
    return Picture(np.ascontiguousarray(samples[:, :, :3]), alpha)


def _widened(samples: Samples16, bits: int) -> Samples16:
    """Return samples of 10 or 12 bits, changed in place, as such of 16; those of 16 unchanged.

    That is v * 65535 / (2^bits - 1) to within one level: the high bits are repeated below.
    """
    for rows in _bands(samples) if bits < 16 else ():
        band = samples[rows]
        low = band >> (2 * bits - 16)
        np.left_shift(band, 16 - bits, out=band)
        np.bitwise_or(band, low, out=band)
    return samples


def _without_others(picture: Picture, has_alpha: bool) -> Picture:
    """Return ``picture`` without a fourth sample that is not alpha."""
    return picture if has_alpha else Picture(picture.pixels)


def _unweighted(picture: Picture) -> Picture:
    """Return ``picture``, whose colours are weighted by its alpha, with plain ones."""
    if picture.alpha is None:
        return picture
    for rows in _bands(picture.pixels):
        alpha = np.maximum(picture.alpha[rows], 1).astype(np.float32)[:, :, None]
        plain = np.minimum(picture.pixels[rows] * (MAX_SAMPLE / alpha), MAX_SAMPLE)
        picture.pixels[rows] = np.rint(plain).astype(np.uint16)
    return picture


def _bands(samples: Samples) -> Iterator[slice]:
    """Yield slices of rows of about a megapixel: what is made of them takes little memory."""
    rows = max(1, _BAND_PIXELS // samples.shape[1])
    return (slice(top, top + rows) for top in range(0, samples.shape[0], rows))
