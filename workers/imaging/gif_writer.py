"""Write an animated GIF frame by frame: the part that changed, with a palette of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from workers.imaging import notes
from workers.imaging.animation import changed_box

_OPAQUE_FROM = 128  # of alpha: a GIF's pixel is shown or not
_COLOURS = 256
_UNIT_MS = 10
_LONGEST_MS = 65_535 * _UNIT_MS
_SHORTEST_MS = 20
"""Browsers show a frame of 10 ms or less for 100: one of 16 ms would be six times as slow."""
_MOST_AGAIN = 65_535
_SAMPLE_PIXELS = 1 << 16  # of a frame, from which a palette is made: all of them take seconds
_BAND_ROWS = 128
_KEEP, _CLEAR = 1, 2  # disposal: what becomes of a frame when the next one comes


@dataclass
class GifWriter:
    """Writes frames, (h, w, 4) RGBA, into ``file``. ``said``: notes about what was lost."""

    file: BinaryIO
    said: set[str]

    def write(
        self, frames: Iterable[tuple[NDArray[np.uint8], int]], plays: int, size: tuple[int, int]
    ) -> None:
        """Write the whole file (GIF89a); a frame comes with its milliseconds.

        ``plays``: 0 without end. ``size``: (width, height) of all frames.
        """
        self.file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0))
        if plays != 1:
            again = min(max(plays - 1, 0), _MOST_AGAIN)
            self.file.write(b"!\xff\x0bNETSCAPE2.0" + struct.pack("<BBHB", 3, 1, again, 0))
        last: NDArray[np.uint8] | None = None  # what is shown when the frame comes; None: nothing
        for canvas, milliseconds, following in _with_next(self._prepared(frames)):
            # What is visible can only be covered: to empty a part, all is cleared.
            clears = following is not None and bool((canvas[:, :, 3] > following[:, :, 3]).any())
            box = (0, 0, *size) if clears or last is None else changed_box(last, canvas)
            self._write_frame(canvas, box, milliseconds, clears)
            last = None if clears else canvas
        self.file.write(b";")

    def _prepared(
        self, frames: Iterable[tuple[NDArray[np.uint8], int]]
    ) -> Iterator[tuple[NDArray[np.uint8], int]]:
        for rgba, milliseconds in frames:
            alpha = rgba[:, :, 3]
            visible = alpha >= _OPAQUE_FROM
            if ((alpha > 0) & (alpha < 255)).any():
                self.said.add(notes.HALF_TRANSPARENT)
            canvas = rgba * visible[:, :, None]
            canvas[visible, 3] = 255
            yield canvas, self._duration(milliseconds)

    def _duration(self, milliseconds: int) -> int:
        """Return a duration that a GIF can say, in milliseconds."""
        if milliseconds % _UNIT_MS == 0 and milliseconds <= _LONGEST_MS:
            return milliseconds
        self.said.add(notes.DURATIONS)
        rounded = (milliseconds + _UNIT_MS // 2) // _UNIT_MS * _UNIT_MS
        return min(max(rounded, _SHORTEST_MS), _LONGEST_MS)

    def _write_frame(
        self,
        canvas: NDArray[np.uint8],
        box: tuple[int, int, int, int],
        milliseconds: int,
        clears: bool,
    ) -> None:
        x, y, width, height = box
        part = canvas[y : y + height, x : x + width]
        visible = part[:, :, 3] > 0
        # Decoders clear to the frame's transparent colour, if it has one.
        has_holes = clears or not visible.all()
        indexes, palette = self._reduce(part, visible, _COLOURS - has_holes)
        options = {"duration": milliseconds, "disposal": _CLEAR if clears else _KEEP}
        if has_holes:
            options["transparency"] = len(palette)
            indexes[~visible] = len(palette)
            palette = np.vstack([palette, np.zeros((1, 3), np.uint8)])
        image = Image.fromarray(indexes)
        image.putpalette(palette.tobytes())
        image.encoderconfig = (8, 0)  # bits of a code at first, and no interlacing
        self.file.writelines(
            GifImagePlugin.getdata(image, (x, y), include_color_table=True, **options)
        )

    def _reduce(
        self, part: NDArray[np.uint8], visible: NDArray[np.bool_], most: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the number of each pixel's colour, (h, w), and the colours, (n, 3), at most so
        many.

        They are exact if there are not more; numbers of hidden pixels mean nothing.
        """
        pixels = part[:, :, :3].copy()
        shown = part[visible][:, :3]
        if not shown.size:
            return np.zeros(visible.shape, np.uint8), np.zeros((1, 3), np.uint8)
        pixels[~visible] = shown[0]  # so that hidden ones are no further colour
        image = Image.fromarray(pixels)
        listed = image.getcolors(most)
        if listed is not None:
            colours = np.array(sorted(colour for _, colour in listed), np.uint8)
            return _numbers(pixels, colours), colours
        self.said.add(notes.COLOURS_REDUCED)
        sample = np.ascontiguousarray(shown[:: -(-len(shown) // _SAMPLE_PIXELS)])
        few = Image.fromarray(sample[None]).quantize(most, Image.Quantize.MEDIANCUT)
        palette = np.array(few.getpalette("RGB"), np.uint8).reshape(-1, 3)[:most]
        reduced = image.quantize(palette=few, dither=Image.Dither.NONE)
        return np.array(reduced, np.uint8), palette


def _numbers(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the number of each pixel's colour, (h, w), among the sorted ``colours``, (n, 3)."""
    found = np.empty(pixels.shape[:2], np.uint8)
    packed = _packed(colours)
    for top in range(0, len(pixels), _BAND_ROWS):  # numbers take eight times their pixels
        rows = slice(top, top + _BAND_ROWS)
        found[rows] = np.searchsorted(packed, _packed(pixels[rows]))
    return found


def _with_next(
    frames: Iterable[tuple[NDArray[np.uint8], int]],
) -> Iterator[tuple[NDArray[np.uint8], int, NDArray[np.uint8] | None]]:
    """Yield each frame with the canvas of the next one."""
    held: tuple[NDArray[np.uint8], int] | None = None
    for frame in frames:
        if held is not None:
            yield *held, frame[0]
        held = frame
    if held is not None:
        yield *held, None


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return each colour, RGB on the last axis, as one number."""
    wide = colours.astype(np.int64)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
