"""Write a PNG file: choose how its samples shrink best, and compress them band by band."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from isal import isal_zlib
from typing_extensions import Buffer
from zlib_ng import zlib_ng

from workers.imaging import png_filters
from workers.imaging.picture import Pixels
from workers.imaging.png_chunks import chunk
from workers.imaging.png_filters import filter_rows
from workers.imaging.png_layout import Layout

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BAND_BYTES = _BAND_PIXELS = 1 << 18  # at once; see png_filters, and png_colours for the pixels
_PIECE_BYTES = 1 << 16  # of a chunk, at least; the last may have fewer
_FAST_LEVEL = 1  # PNG_LEVEL
_FLAT_LEVEL, _SMALLEST_LEVEL = 5, 9  # of zlib-ng; 6 takes twice as long for 1 % less
_TINY_SHARE = 24
"""Level 9 is tried on what shrinks to less than this part of its bytes with 5: gradients shrink to
two thirds for it, pages of text by a tenth. There it takes little time; of noise in two levels it
would take a second for a megabyte."""
_FLAT_SHARE = 0.6
"""Bytes that zlib's level 1 leaves of each byte of a picture that may be flat. Photographs keep
0.69 to 1, screenshots 0.06 to 0.37."""
_EXCERPT_BYTES, _EXCERPT_SHARE = (2048, 8192), 64  # a photograph takes 1 % longer for it
_TRIAL_BYTES = 256 * 1024
_PLACES, _TRIAL_PLACES = 4, 16  # from top to bottom
_WORTH, _WORTH_OF_DENSE = 0.88, 0.75  # of a size: settings that take longer must save the rest
_DENSE_SHARE = 5
"""What keeps more than this part of its bytes takes zlib-ng 40 to 70 ms a megapixel, ten times as
long as ISA-L: of smooth photographs it saves 10 to 20 %. Flat pictures keep less, and take 3 to 30.
"""


class _Compressor(Protocol):
    def compress(self, data: Buffer, /) -> bytes: ...
    def flush(self) -> bytes: ...


@dataclass(frozen=True)
class _Way:
    """``filters``: as in ``filter_rows``. ``compressor``: makes one."""

    filters: tuple[int, ...]
    compressor: Callable[[], _Compressor]


_STORED = _Way((png_filters.NONE,), lambda: zlib_ng.compressobj(0))
_FAST = _Way((png_filters.PAETH,), lambda: isal_zlib.compressobj(2))
_RUNS = _Way(
    (png_filters.PAETH,),
    lambda: zlib_ng.compressobj(1, strategy=zlib_ng.Z_RLE),
)


def write(
    path: Path, layout: Layout, level: int, chunks: bytes = b"", *, few_colours: bool = False
) -> None:
    """Write a PNG to ``path``, row by row: in memory it would take up to twice its samples.

    ``level``: PNG_LEVEL. ``chunks``: those that follow the header. ``few_colours``: the samples are
    numbers of colours, of which even a photograph is better written as a flat picture.

    Raises:
        OSError: the disk is full.
    """
    with path.open("wb") as file:
        file.write(SIGNATURE + layout.header + chunks + layout.chunks)
        for data in compressed(layout, level, few_colours=few_colours):
            file.write(chunk(b"IDAT", data))
        file.write(chunk(b"IEND", b""))


def compressed(layout: Layout, level: int, *, few_colours: bool = False) -> Iterator[bytes]:
    """Yield the compressed samples of a picture in pieces; see ``write``."""
    way = _way(layout, level, few_colours)
    step = max(1, min(_BAND_BYTES // layout.row_bytes, _BAND_PIXELS // layout.width))
    bands = (layout.rows(slice(top, top + step)) for top in range(0, layout.height, step))
    return _compress(bands, layout.distance, way)


def _compress(bands: Iterable[Pixels], distance: int, way: _Way) -> Iterator[bytes]:
    """Yield the compressed rows of a picture in pieces of at least ``_PIECE_BYTES``."""
    compressor, last, pieces = way.compressor(), None, bytearray()
    for rows in bands:
        last = np.zeros_like(rows[:1]) if last is None else last
        above = np.concatenate([last, rows[:-1]])
        last = rows[-1:]
        pieces += compressor.compress(filter_rows(rows, above, distance, way.filters).data)
        if len(pieces) >= _PIECE_BYTES:
            yield bytes(pieces)
            pieces.clear()
    yield bytes(pieces + compressor.flush())


def _way(layout: Layout, level: int, few_colours: bool) -> _Way:
    """Return how photographs are written, or what suits flat pictures.

    Screenshots and drawings repeat themselves. Whether the filters spoil that, or find more of it,
    shows when a part is written in each way.
    """
    if not level:
        return _STORED
    usual = _FAST if level == _FAST_LEVEL else _RUNS
    may_be_flat = _may_be_flat(layout)
    if not (may_be_flat or few_colours):
        return usual
    part = _excerpt(layout, _TRIAL_BYTES)

    def size(way: _Way) -> int:
        return sum(map(len, _compress([part], layout.distance, way)))

    def smallest(least: int) -> tuple[int, _Way]:
        # All filters first, which win if the part does not tell: they spoil a photograph less.
        ways = [
            _Way(filters, lambda: zlib_ng.compressobj(max(level, least)))
            for filters in (png_filters.ALL, (png_filters.NONE,))
        ]
        return min(((size(way), way) for way in ways), key=lambda each: each[0])

    shrunk, best = smallest(_FLAT_LEVEL)
    if shrunk * _TINY_SHARE < part.nbytes:
        tiny, slower = smallest(_SMALLEST_LEVEL)
        # Of few colours there are so few bytes that the time does not count.
        return slower if tiny < shrunk * (1 if few_colours else _WORTH) else best
    if few_colours and may_be_flat:
        return best
    dense = shrunk * _DENSE_SHARE > part.nbytes and level == _FAST_LEVEL
    # Smooth photographs shrink best as runs, whatever the usual way makes of them.
    least = min(size(_RUNS), size(usual)) * (_WORTH_OF_DENSE if dense else _WORTH)
    return best if shrunk < least else usual


def _may_be_flat(layout: Layout) -> bool:
    """Tell whether pieces of some rows, from left to right, shrink more than a photograph's."""
    least, most = _EXCERPT_BYTES
    size = min(max(layout.row_bytes * layout.height // _EXCERPT_SHARE, least), most)
    step = layout.distance
    columns = min(layout.row_bytes, max(1, size // _PLACES // step) * step)
    pieces = []
    for place, top in enumerate(_tops(layout, 1, _PLACES)):
        left = (layout.row_bytes - columns) * place // (_PLACES - 1) // step * step
        pieces.append(layout.rows(slice(top, top + 1))[0, left : left + columns].tobytes())
    part = b"".join(pieces)
    return len(zlib.compress(part, 1)) < len(part) * _FLAT_SHARE


def _excerpt(layout: Layout, most: int) -> Pixels:
    """Return about ``most`` bytes of the rows of several places."""
    rows = max(1, most // layout.row_bytes // _TRIAL_PLACES)
    if rows * _TRIAL_PLACES >= layout.height:
        return layout.rows(slice(0, layout.height))
    tops = _tops(layout, rows, _TRIAL_PLACES)
    return np.concatenate([layout.rows(slice(top, top + rows)) for top in tops])


def _tops(layout: Layout, rows: int, places: int) -> list[int]:
    """Return the first of ``rows`` rows at each of the places, from top to bottom."""
    middles = [layout.height * (2 * place + 1) // (2 * places) for place in range(places)]
    return [min(max(0, middle - rows // 2), layout.height - rows) for middle in middles]
