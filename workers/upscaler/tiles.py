"""Process a large image in tiles, which limit memory and count progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np

from models.networks.catalogue import Weights
from workers.imaging.picture import Pixels

_LAPSRN_MAX_RESULT_SIDE = 512
"""Side of LapSRN's tiles in pixels of the result: its 64 channels at half that resolution take
170 MB in OpenVINO and 300 MB in OpenCV."""
_MEDIUM_RADIUS, _LARGE_RADIUS, _LARGE_TILE = 10, 40, 256
"""Networks with a larger radius get larger tiles, since small tiles would be mostly overlap. Beyond
a radius of ten pixels overlap takes a fifth of tiles of 256: 183 ms against 166 in tiles of 512."""
_MAX_SINGLE_TILE_PIXELS = 320_000
"""Pixels up to which these networks take a picture as one tile: as many as a tile of 512 with its
overlap. By hand, two cores with AVX2: 640x480 in one tile takes 294, 590 and 7961 ms with
darkroom-fast, balanced and best, in two 336, 662 and 9316."""
_MAX_LARGE_TILE_PIXELS = 2_000_000
"""Pixels above which a picture gets no larger tiles: then memory matters more than time."""


def tile_side(best: int, weights: Weights, area: int) -> int:
    """Return the side of the tiles for ``weights`` and a picture of ``area`` pixels.

    ``best``: the engine's ``tile_side``.
    """
    if weights.algorithm == "lapsrn":
        return min(best, _LAPSRN_MAX_RESULT_SIDE // weights.scale)
    if weights.radius > _LARGE_RADIUS:
        return max(best, _LARGE_TILE)
    if best < _LARGE_TILE or area > _MAX_LARGE_TILE_PIXELS or weights.radius <= _MEDIUM_RADIUS:
        return best
    return area if area <= _MAX_SINGLE_TILE_PIXELS else 2 * best


def spans(length: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut ``length`` into parts; yield (read from, read to, keep from, keep to) for each.

    Kept parts cover the length exactly once; what is read reaches at least ``overlap`` further on
    each side, but never past the ends, so that padding is only ever added at the true border. All
    windows have one size: a network allocates its buffers again when its input's shape changes.
    Parts are equally long instead of ``tile`` and a rest, whose window would be as large.
    """
    tile = ceil(length / ceil(length / tile))
    window = min(length, tile + 2 * overlap)
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        left = max(0, min(start - overlap, length - window))
        yield left, left + window, start, stop


def apply(
    enlarge: Callable[[Pixels], Pixels],
    pixels: Pixels,
    scale: int,
    tile: int,
    overlap: int,
    progress: Callable[[float], None],
) -> Pixels:
    """Return ``enlarge(pixels)``, computed in tiles of at most ``tile + 2 * overlap`` a side.

    ``overlap`` must be at least the radius of the receptive field, else seams show. ``progress`` is
    called with the share done, 0 to 1, after each tile.
    """
    height, width = pixels.shape[:2]
    result = np.empty((height * scale, width * scale, *pixels.shape[2:]), np.uint8)
    rows = list(spans(height, tile, overlap))
    columns = list(spans(width, tile, overlap))
    done = 0
    for top, bottom, y0, y1 in rows:
        for left, right, x0, x1 in columns:
            part = enlarge(np.ascontiguousarray(pixels[top:bottom, left:right]))
            inner = part[
                (y0 - top) * scale : (y1 - top) * scale, (x0 - left) * scale : (x1 - left) * scale
            ]
            result[y0 * scale : y1 * scale, x0 * scale : x1 * scale] = inner
            done += 1
            progress(done / (len(rows) * len(columns)))
    return result
