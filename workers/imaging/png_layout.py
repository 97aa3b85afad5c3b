"""Layouts of a PNG's samples, and how each is compressed.

libpng, by way of OpenCV, filters and compresses whatever has the right number of bytes a row and a
pixel. So a layout that OpenCV does not know is written as one that has the same bytes, and the
header is set afterwards: two bytes of gray and alpha look like 16 bits of gray.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.errors import BadImage
from workers.imaging import png_chunks
from workers.imaging.picture import Samples

GRAY, PALETTE, GRAY_ALPHA = 0, 3, 4
"""Colour types (PNG specification, 11.2.1)."""

# All first, which wins if the excerpt does not tell: it spoils a photograph less.
_FILTERS = cv2.IMWRITE_PNG_ALL_FILTERS, cv2.IMWRITE_PNG_FILTER_NONE
_RUNS = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
]
"""Photographs as small as with level 6, in less time than zlib's own level 1 takes."""
_FLAT_LEVEL, _SMALLEST_LEVEL = 6, 9
_TINY_SHARE = 32
"""Level 9 is tried on what shrinks to less than this part of its bytes with 6: gradients shrink to
two thirds for it, pages of text by a tenth. There it takes no more than 0.1 s for a megabyte, as
level 6 does of worse data; of noise in two levels it would take 2.7 s."""
_FLAT_SHARE = 0.6
"""Bytes that zlib's level 1 leaves of each byte of a picture that may be flat. Photographs keep
0.69 to 1, screenshots 0.06 to 0.37."""
_EXCERPT_BYTES, _EXCERPT_SHARE = (2048, 8192), 64  # a photograph takes 1 % longer for it
_TRIAL_BYTES = 256 * 1024
_PLACES, _TRIAL_PLACES = 4, 16  # from top to bottom
_WORTH = 0.88  # of a size: settings that take longer must save the rest


@dataclass(frozen=True)
class Layout:
    """Samples as OpenCV shall write them, and what the header then has to say instead.

    ``samples``: (h, bytes) uint8, or any that OpenCV writes with the same bytes a row and pixel.
    ``depth``: bits a sample. ``chunks``: PLTE and tRNS.
    """

    samples: Samples
    depth: int
    colour_type: int
    chunks: bytes = b""

    def set_header(self, path: Path, width: int) -> None:
        """Let the file at ``path``, which has the ``samples``, be ``width`` pixels of the layout.

        In place, and the other chunks are put behind the header.
        """
        height = self.samples.shape[0]
        said = struct.pack(">IIBBBBB", width, height, self.depth, self.colour_type, 0, 0, 0)
        png_chunks.replace_header(path, said)
        png_chunks.insert(path, self.chunks)


def gray_and_alpha(pixels: Samples, alpha: Samples) -> Layout:
    """Return the layout of gray ``pixels`` with ``alpha``, (h, w) and of the same depth each."""
    if pixels.dtype == np.uint8:
        both = np.left_shift(pixels, 8, dtype=np.uint16) | alpha
        return Layout(both, 8, GRAY_ALPHA)
    # The four bytes look like red, green, blue and alpha; OpenCV takes blue first.
    samples = np.empty((*pixels.shape, 4), np.uint8)
    samples[:, :, 2], samples[:, :, 1] = pixels >> 8, pixels & 255
    samples[:, :, 0], samples[:, :, 3] = alpha >> 8, alpha & 255
    return Layout(samples, 16, GRAY_ALPHA)


def write(path: Path, samples: Samples, level: int, *, few_colours: bool = False) -> None:
    """Write ``samples`` to ``path``, row by row: in memory it would take up to twice their size.

    ``samples``: uint8 or uint16; (h, w), BGR or BGRA. ``level``: PNG_LEVEL. ``few_colours``: they
    are numbers of colours, of which even a photograph is better written as a flat picture.

    Raises:
        BadImage: the encoder refuses them. OSError: the disk is full.
    """
    flags = _flags(samples, level, few_colours)
    try:
        if path.suffix == ".png" and cv2.imwrite(str(path), samples, flags):
            return
        # It fails where the disk is full or the picture cannot be written, and does not tell which.
        done, data = cv2.imencode(".png", samples, flags)
    except cv2.error as error:
        raise _refused(samples, str(error)) from None
    if not done:
        raise _refused(samples, "the encoder refuses them")
    path.write_bytes(data.tobytes())


def _refused(samples: Samples, reason: str) -> BadImage:
    height, width = samples.shape[:2]
    return BadImage(f"{width} x {height} pixels cannot be written: {reason}")


def _flags(samples: Samples, level: int, few_colours: bool) -> Sequence[int]:
    """Return OpenCV's settings for ``samples``: those of photographs, or what suits flat ones.

    Screenshots and drawings repeat themselves. Whether the filters spoil that, or find more of it,
    shows when a part is written in each way.
    """
    usual = _RUNS if level == 1 else [cv2.IMWRITE_PNG_COMPRESSION, level]
    may_be_flat = bool(level) and _may_be_flat(samples)
    if not level or not (may_be_flat or few_colours):
        return usual
    part = _excerpt(samples, _TRIAL_BYTES)

    def size(flags: Sequence[int]) -> int:
        return len(cv2.imencode(".png", part, flags)[1])

    def flat(chosen: int, least: int) -> Sequence[int]:
        strategy = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)
        compression = (cv2.IMWRITE_PNG_COMPRESSION, max(level, least))
        return [*compression, *strategy, cv2.IMWRITE_PNG_FILTER, chosen]

    def smallest(least: int) -> tuple[int, Sequence[int]]:
        ways = [flat(chosen, least) for chosen in _FILTERS]
        return min(((size(way), way) for way in ways), key=lambda each: each[0])

    shrunk, best = smallest(_FLAT_LEVEL)
    if shrunk * _TINY_SHARE < part.nbytes:
        tiny, slower = smallest(_SMALLEST_LEVEL)
        # Of few colours there are so few bytes that the time does not count.
        return slower if tiny < shrunk * (1 if few_colours else _WORTH) else best
    if not (few_colours and may_be_flat) and shrunk > size(usual) * _WORTH:
        return usual
    return best


def _may_be_flat(samples: Samples) -> bool:
    """Tell whether pieces of some rows, from left to right, shrink more than a photograph's."""
    least, most = _EXCERPT_BYTES
    size = min(max(samples.nbytes // _EXCERPT_SHARE, least), most)
    width = samples.shape[1]
    columns = max(1, width * size // _PLACES // samples[0].nbytes)
    pieces = []
    for place, top in enumerate(_tops(samples, 1, _PLACES)):
        left = max(0, width - columns) * place // (_PLACES - 1)
        pieces.append(samples[top, left : left + columns].tobytes())
    part = b"".join(pieces)
    return len(zlib.compress(part, 1)) < len(part) * _FLAT_SHARE


def _excerpt(samples: Samples, most: int) -> Samples:
    """Return about ``most`` bytes of ``samples``: rows of several places."""
    height = samples.shape[0]
    rows = max(1, most * height // samples.nbytes // _TRIAL_PLACES)
    if rows * _TRIAL_PLACES >= height:
        return samples
    tops = _tops(samples, rows, _TRIAL_PLACES)
    return np.concatenate([samples[top : top + rows] for top in tops])


def _tops(samples: Samples, rows: int, places: int) -> list[int]:
    """Return the first of ``rows`` rows at each of the places, from top to bottom."""
    height = samples.shape[0]
    middles = [height * (2 * place + 1) // (2 * places) for place in range(places)]
    return [min(max(0, middle - rows // 2), height - rows) for middle in middles]
