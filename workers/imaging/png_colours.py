"""Few colours in few bits: the samples of a PNG with a palette, or with 1 to 4 bits of gray."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Picture, Pixels
from workers.imaging.png_chunks import chunk
from workers.imaging.png_layout import GRAY, PALETTE, Layout

_MAX_COLOURS = 256
_SHARE = 8  # pixels for each colour: with fewer, the palette is longer than it saves
_BAND_PIXELS = 1 << 18  # at once; intermediate arrays take some forty times as many bytes
_OPAQUE = 255
_Codes = NDArray[np.uint32]


def reduce(picture: Picture) -> Layout | None:
    """Return the samples of ``picture`` in at most 8 bits a pixel; None: its colours need more.

    Gray stays gray. Where the picture has alpha, the palette has it, too; of gray, one level may be
    transparent and all others opaque.
    """
    if picture.is_16_bit:
        return None
    pixels = np.asarray(picture.pixels, np.uint8)
    alpha = None if picture.alpha is None else np.asarray(picture.alpha, np.uint8)
    return _gray(pixels, alpha) if pixels.ndim == 2 else _palette(pixels, alpha)


def _gray(pixels: Pixels, alpha: Pixels | None) -> Layout | None:
    levels = np.flatnonzero(cv2.calcHist([pixels], [0], None, [256], [0, 256]))
    depth = next((bits for bits in (1, 2, 4) if not (levels % _gray_step(bits)).any()), 8)
    key = None if alpha is None else _transparent_level(pixels, alpha)
    if (alpha is None and depth == 8) or (alpha is not None and key is None):
        return None
    step = _gray_step(depth)
    rows = _packed(pixels, depth, lambda part: pixels[part] // step)
    chunks = b"" if key is None else chunk(b"tRNS", struct.pack(">H", key // step))
    return Layout(pixels.shape[1], pixels.shape[0], depth, GRAY, rows, chunks)


def _gray_step(depth: int) -> int:
    """Return the distance of two levels of gray of ``depth`` bits, in levels of 8 bits."""
    return 255 // ((1 << depth) - 1)


def _transparent_level(pixels: Pixels, alpha: Pixels) -> int | None:
    """Return the level of gray that is transparent everywhere; None: not exactly one is."""
    if not np.isin(alpha, (0, _OPAQUE)).all():
        return None
    hidden = alpha == 0
    levels = np.unique(pixels[hidden])
    if len(levels) != 1 or (pixels[~hidden] == levels[0]).any():
        return None
    return int(levels[0])


def _palette(pixels: Pixels, alpha: Pixels | None) -> Layout | None:
    found = np.array([], np.uint32)
    for band in _bands(pixels):
        codes = _codes(pixels, alpha, band)
        found = np.union1d(found, codes[_run_starts(codes)])
        if len(found) > _MAX_COLOURS:
            return None
    if len(found) * _SHARE > pixels.shape[0] * pixels.shape[1]:
        return None
    depth = next(bits for bits in (1, 2, 4, 8) if len(found) <= 1 << bits)
    rows = _packed(pixels, depth, lambda part: _indexes(_codes(pixels, alpha, part), found))
    colours = found.astype("<u4").view(np.uint8).reshape(-1, 4)
    chunks = chunk(b"PLTE", colours[:, 2::-1].tobytes())
    if alpha is not None:
        transparent = max(1, int((colours[:, 3] < _OPAQUE).sum()))  # they come first
        chunks += chunk(b"tRNS", colours[:transparent, 3].tobytes())
    return Layout(pixels.shape[1], pixels.shape[0], depth, PALETTE, rows, chunks)


def _bands(pixels: Pixels) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // pixels.shape[1])
    return (slice(top, top + rows) for top in range(0, pixels.shape[0], rows))


def _codes(pixels: Pixels, alpha: Pixels | None, rows: slice) -> _Codes:
    """Return a number for the colour of each pixel of ``rows``, in one row; by alpha, then red."""
    if alpha is None:
        colours = np.asarray(cv2.cvtColor(pixels[rows], cv2.COLOR_BGR2BGRA), np.uint8)
    else:
        colours = np.dstack([pixels[rows], alpha[rows]])
    return colours.view("<u4").astype(np.uint32, copy=False).ravel()


def _run_starts(codes: _Codes) -> NDArray[np.intp]:
    """Return where runs of one colour start: most flat pictures have few, so less is searched."""
    return np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])


def _indexes(codes: _Codes, colours: _Codes) -> Pixels:
    """Return the number of each of ``codes`` among ``colours``, which are sorted."""
    starts = _run_starts(codes)
    numbers = np.searchsorted(colours, codes[starts]).astype(np.uint8)
    return np.repeat(numbers, np.diff(starts, append=len(codes)))


def _packed(
    pixels: Pixels, depth: int, values_of: Callable[[slice], Pixels]
) -> Callable[[slice], Pixels]:
    """Return rows of bytes: ``values_of`` some rows in ``depth`` bits, leftmost in high bits."""
    width, each = pixels.shape[1], 8 // depth

    def rows(part: slice) -> Pixels:
        values = values_of(part).reshape(-1, width)
        packed = np.zeros((len(values), -(-width // each)), np.uint8)
        for place in range(each):
            column = values[:, place::each] << (8 - depth * (place + 1))
            packed[:, : column.shape[1]] |= column
        return packed

    return rows
