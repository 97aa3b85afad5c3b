"""Write a text over a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.operations.fit import rgba
from models.operations.watermark import Place, Watermark
from workers.imaging import notes
from workers.imaging.framing import samples_of
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools

_FONT = "sans"  # compiled into OpenCV: no file is read. Its Chinese letters come from "uni"
_WEIGHT = 600  # semibold: half transparent thin strokes are lost on a photograph
_READABLE = 8  # pixels an em
_MEASURED = 100  # pixels an em at which a text is measured
_ABOVE, _BELOW = 1.3, 0.5  # em around the base line: room for two accents, and for a descender
_EDGE = 1 / 20  # of an em: how wide the edge around letters is
_BRIGHT = 128  # of 255: from this luma on an edge is black
_BAND_PIXELS = 1 << 17  # are mixed at a time, as floats
_ONE_GRAY: Pixels = np.zeros((1, 1), np.uint8)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class _Stamp:
    """A drawn text: how much of a pixel its letters cover, and they with their edge, 0 to 255.

    ``letters``, ``all``: (height, width), uint8, both of one size; ``em``: in pixels.
    """

    letters: Pixels
    all: Pixels
    em: int

    @property
    def planes(self) -> tuple[Pixels, Pixels]:
        return self.letters, self.all

    @property
    def width(self) -> int:
        return int(self.letters.shape[1])

    @property
    def height(self) -> int:
        return int(self.letters.shape[0])

    def with_gap(self, right: int, below: int = 0) -> _Stamp:
        """Return it with that many empty pixels right of it and below."""
        letters, covered = (np.pad(plane, ((0, below), (0, right))) for plane in self.planes)
        return _Stamp(letters, covered, self.em)

    def in_pairs(self, shift: int, count: int) -> _Stamp:
        """Return ``count`` pairs of it, one below the other; the second of each is shifted."""
        letters, covered = (
            np.tile(np.concatenate((plane, np.roll(plane, -shift, axis=1))), (count, 1))
            for plane in self.planes
        )
        return _Stamp(letters, covered, self.em)


def watermark(picture: Picture, spec: Watermark, tools: Tools) -> Picture:
    """Return a copy of ``picture`` with the text over it; samples are mixed as the file has them.

    Where the text covers a share c of a pixel of opacity b, that gets 1 - (1 - c) * (1 - b): the
    "over" of Porter and Duff, so that a text also shows where the picture is transparent.
    """
    alpha = None if picture.alpha is None else picture.alpha.copy()
    made = picture.with_pixels(picture.pixels.copy(), alpha)
    stamp = _draw(spec, picture.width, picture.height)
    if stamp.em < _READABLE:
        made = replace(made, notes=(*made.notes, notes.WATERMARK_SMALL.format(stamp.em)))
    letters = rgba(spec.colour)[:3]
    edge = _BLACK if samples_of(Picture(_ONE_GRAY), letters)[0] >= _BRIGHT else _WHITE
    colours = np.array([samples_of(picture, each) for each in (letters, edge)], np.float32)
    for shown, top, left, columns in _placed(stamp, spec.place, picture.width, picture.height):
        _mix(made, shown, top, left, columns, spec.opacity / 100, colours)
        tools.progress(min(1.0, max(0, top + shown.height) / picture.height))
    return made


def _draw(spec: Watermark, width: int, height: int) -> _Stamp:
    """Return the text as large as ``spec`` says, or as fits into ``width``, cut to what is drawn.

    An em is at most a quarter of the shorter side, so that it is smaller than the picture.
    """
    font = cv2.FontFace(_FONT)
    ems = cv2.getTextSize((0, 0), spec.text, (0, 0), font, _MEASURED, _WEIGHT)[2] / _MEASURED
    em = max(1, min(round(min(width, height) * spec.size / 100), int(width / (ems + 1))))
    canvas = np.zeros((int((_ABOVE + _BELOW) * em) + 2, int((ems + 1) * em) + 2), np.uint8)
    cv2.putText(canvas, spec.text, (em // 2, int(_ABOVE * em)), (255,), font, em, _WEIGHT)
    reach = max(1, round(em * _EDGE))
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    x, y, across, down = cv2.boundingRect(canvas)
    inner = np.s_[max(0, y - reach) : y + down + reach, max(0, x - reach) : x + across + reach]
    letters: Pixels = np.asarray(canvas[inner], np.uint8)
    return _Stamp(letters, np.asarray(cv2.dilate(letters, round_brush), np.uint8), em)


def _placed(
    stamp: _Stamp, place: Place, width: int, height: int
) -> Iterator[tuple[_Stamp, int, int, NDArray[np.int64]]]:
    """Yield stamp, first row, first column, and the column of the stamp from there on, for each."""
    if place != "tile":
        margin = stamp.em // 2
        x = {"left": margin, "right": width - stamp.width - margin}
        y = {"top": margin, "bottom": height - stamp.height - margin}
        words = place.split("-")
        left = next((x[word] for word in words if word in x), (width - stamp.width) // 2)
        top = next((y[word] for word in words if word in y), (height - stamp.height) // 2)
        shown = np.arange(max(0, left), min(width, left + stamp.width))
        yield stamp, top, max(0, left), shown - left
        return
    gap = 2 * stamp.em
    repeated = stamp.with_gap(gap)
    # Of a narrow picture, many rows of the text at once: each alone takes 0.1 ms, however narrow.
    pairs = _BAND_PIXELS // (2 * (stamp.height + gap) * width)
    if pairs > 1:
        several = stamp.with_gap(gap, gap).in_pairs(repeated.width // 2, pairs)
        columns = (np.arange(width) - stamp.em // 2) % several.width
        for top in range(stamp.em // 2, height, several.height):
            yield several, top, 0, columns
        return
    for number, top in enumerate(range(stamp.em // 2, height, stamp.height + gap)):
        shift = repeated.width // 2 if number % 2 else 0
        yield repeated, top, 0, (np.arange(width) - stamp.em // 2 + shift) % repeated.width


def _mix(
    made: Picture,
    stamp: _Stamp,
    top: int,
    left: int,
    columns: NDArray[np.int64],
    opacity: float,
    colours: NDArray[np.float32],
) -> None:
    """Write ``columns`` of ``stamp`` over ``made``, from row ``top`` and column ``left`` on."""
    rows = max(1, _BAND_PIXELS // max(1, len(columns)))
    end = min(made.height, top + stamp.height)
    for start in range(max(0, top), end, rows):
        stop = min(start + rows, end)
        window = np.s_[start:stop, left : left + len(columns)]
        letters, covered = (plane[start - top : stop - top, columns] for plane in stamp.planes)
        _mix_band(made, window, letters, covered, opacity, colours)


def _mix_band(
    made: Picture,
    window: tuple[slice, slice],
    letters: Pixels,
    covered: Pixels,
    opacity: float,
    colours: NDArray[np.float32],
) -> None:
    share = covered * np.float32(opacity / 255)
    # The rest of what is covered is edge.
    of_letters = np.divide(letters, covered, out=np.zeros_like(share), where=covered > 0)
    if made.alpha is not None:
        below = made.alpha[window] / np.float32(made.max_value)
        opaque = share + below * (1 - share)
        share = np.divide(share, opaque, out=np.zeros_like(share), where=opaque > 0)
        made.alpha[window] = np.rint(opaque * made.max_value)
    if made.pixels.ndim == 3:
        share, of_letters = share[:, :, None], of_letters[:, :, None]
    pixels: NDArray[Any] = made.pixels[window].astype(np.float32)
    text = colours[1] + of_letters * (colours[0] - colours[1])
    pixels += share * (text - pixels)
    made.pixels[window] = np.clip(np.rint(pixels, out=pixels), 0, made.max_value)
