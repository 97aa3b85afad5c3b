"""Lay a text or a small picture over a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import BadImage, BadParameter
from models.operations.fit import fitting, rgba
from models.operations.watermark import FIELD, Place, Watermark
from workers.imaging import depth16, icc_profile, notes
from workers.imaging.framing import samples_of
from workers.imaging.picture import Picture, Pixels, Samples
from workers.operations import Tools
from workers.operations.resize import resample

_FONT = "sans"  # compiled into OpenCV: no file is read. Its Chinese letters come from "uni"
_WEIGHT = 600  # semibold: half transparent thin strokes are lost on a photograph
_READABLE = 8  # pixels an em
_MEASURED = 100  # pixels an em at which a text is measured
_ABOVE, _BELOW = 1.3, 0.5  # em around the base line: room for two accents, and for a descender
_EDGE = 1 / 20  # of an em: how wide the edge around letters is
_GAP = 0.1  # of the shorter side, between two pictures; a quarter of it is left at the border
_BRIGHT = 128  # of 255: from this luma on an edge is black
_BAND_PIXELS = 1 << 17  # are mixed at a time, as floats
_ONE_GRAY: Pixels = np.zeros((1, 1), np.uint8)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class _Stamp:
    """What is laid over a picture: two planes of one size, the second of which covers it.

    Of a text: how much of a pixel its letters cover, and they with their edge: (height, width),
    uint8, 0 to 255. Of a picture: its samples, as those of what it is laid over, and its alpha.
    ``margin``: the pixels (across, down) that it stays away from the border; ``gap``: those
    between two of it.
    """

    planes: tuple[Samples, Samples]
    margin: tuple[int, int]
    gap: int

    @property
    def width(self) -> int:
        return int(self.planes[1].shape[1])

    @property
    def height(self) -> int:
        return int(self.planes[1].shape[0])

    def with_gap(self, right: int, below: int = 0) -> _Stamp:
        """Return it with that many empty pixels right of it and below."""

        def widened(plane: Samples) -> Samples:
            empty = ((0, below), (0, right), (0, 0))
            return np.pad(plane, empty[: plane.ndim])

        return replace(self, planes=(widened(self.planes[0]), widened(self.planes[1])))

    def in_pairs(self, shift: int, count: int) -> _Stamp:
        """Return ``count`` pairs of it, one below the other; the second of each is shifted."""

        def repeated(plane: Samples) -> Samples:
            pair = np.concatenate((plane, np.roll(plane, -shift, axis=1)))
            return np.tile(pair, (count, 1, 1)[: plane.ndim])

        return replace(self, planes=(repeated(self.planes[0]), repeated(self.planes[1])))


def watermark(picture: Picture, spec: Watermark, tools: Tools) -> Picture:
    """Return a copy of ``picture`` with the watermark over it.

    Samples are mixed as the file has them; those of a watermark's picture are sRGB before. Where
    the watermark covers a share c of a pixel of opacity b, that gets 1 - (1 - c) * (1 - b): the
    "over" of Porter and Duff, so that it also shows where the picture is transparent.

    Raises:
        BadParameter: the picture of the watermark did not come.
        BadImage: it cannot be decoded.
    """
    alpha = None if picture.alpha is None else picture.alpha.copy()
    made = picture.with_pixels(picture.pixels.copy(), alpha)
    colours: NDArray[np.float32] | None = None
    if spec.text is None:
        stamp = _fit(_second(tools), spec, picture)
    else:
        stamp, em = _draw(spec.text, spec.size, picture.width, picture.height)
        if em < _READABLE:
            made = replace(made, notes=(*made.notes, notes.WATERMARK_SMALL.format(em)))
        letters = rgba(spec.colour)[:3]
        edge = _BLACK if samples_of(Picture(_ONE_GRAY), letters)[0] >= _BRIGHT else _WHITE
        colours = np.array([samples_of(picture, each) for each in (letters, edge)], np.float32)
    for shown, top, left, columns in _placed(stamp, spec.place, picture.width, picture.height):
        _mix(made, shown, top, left, columns, spec.opacity / 100, colours)
        tools.progress(min(1.0, max(0, top + shown.height) / picture.height))
    return made


def _draw(text: str, size: int, width: int, height: int) -> tuple[_Stamp, int]:
    """Return the text, cut to what is drawn, and the pixels of its em.

    They are ``size`` percent of the shorter side, or as many as fit into ``width``: at most a
    quarter of the shorter side, so that the text is smaller than the picture.
    """
    font = cv2.FontFace(_FONT)
    ems = cv2.getTextSize((0, 0), text, (0, 0), font, _MEASURED, _WEIGHT)[2] / _MEASURED
    em = max(1, min(round(min(width, height) * size / 100), int(width / (ems + 1))))
    canvas = np.zeros((int((_ABOVE + _BELOW) * em) + 2, int((ems + 1) * em) + 2), np.uint8)
    cv2.putText(canvas, text, (em // 2, int(_ABOVE * em)), (255,), font, em, _WEIGHT)
    reach = max(1, round(em * _EDGE))
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    x, y, across, down = cv2.boundingRect(canvas)
    inner = np.s_[max(0, y - reach) : y + down + reach, max(0, x - reach) : x + across + reach]
    letters: Pixels = np.asarray(canvas[inner], np.uint8)
    covered = np.asarray(cv2.dilate(letters, round_brush), np.uint8)
    return _Stamp((letters, covered), (em // 2, em // 2), 2 * em), em


def _second(tools: Tools) -> Picture:
    """Return the picture of the watermark.

    Raises:
        BadParameter, BadImage: it did not come, or cannot be decoded.
    """
    if tools.watermark is None:
        raise BadParameter("watermark: its picture did not come", parameter=FIELD)
    try:
        return tools.watermark()
    except BadImage as error:
        raise BadImage(f"{FIELD}: {error.detail}") from None


def _fit(second: Picture, spec: Watermark, picture: Picture) -> _Stamp:
    """Return ``second`` as large as ``spec`` says, with samples as ``picture`` has them."""
    assert spec.share is not None
    across = max(1, round(picture.width * spec.share / 100))
    size = fitting(second.width, second.height, (across, picture.height))
    shown = resample(_alike(second, picture), size)
    alpha = shown.alpha
    if alpha is None:
        alpha = np.full(shown.pixels.shape[:2], shown.max_value, shown.pixels.dtype)
    gap = max(1, round(min(picture.width, picture.height) * _GAP))
    free = (picture.width - size[0], picture.height - size[1])
    margin = (min(gap // 4, free[0] // 2), min(gap // 4, free[1] // 2))
    return _Stamp((shown.pixels, alpha), margin, gap)


def _alike(second: Picture, picture: Picture) -> Picture:
    """Return ``second`` in sRGB, in gray and with as many bits as ``picture`` where it is so."""
    pixels: Samples = second.pixels
    if second.icc is not None and pixels.ndim == 3:
        bgr = depth16.to_8_bits(pixels)
        srgb = icc_profile.to_srgb(
            Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1])), second.icc
        )
        pixels = np.ascontiguousarray(np.asarray(srgb, np.uint8)[:, :, ::-1])
    if pixels.ndim != picture.pixels.ndim:
        code = cv2.COLOR_BGR2GRAY if pixels.ndim == 3 else cv2.COLOR_GRAY2BGR
        pixels = np.asarray(cv2.cvtColor(pixels, code), pixels.dtype)
    deep = picture.is_16_bit
    alpha = None if second.alpha is None else _in_depth(second.alpha, deep)
    return Picture(_in_depth(pixels, deep), alpha)


def _in_depth(samples: Samples, deep: bool) -> Samples:
    if not deep:
        return depth16.to_8_bits(samples)
    if samples.dtype == np.uint16:
        return samples
    return samples.astype(np.uint16) * np.array(257, np.uint16)


def _placed(
    stamp: _Stamp, place: Place, width: int, height: int
) -> Iterator[tuple[_Stamp, int, int, NDArray[np.int64]]]:
    """Yield stamp, first row, first column, and the column of the stamp from there on, for each."""
    if place != "tile":
        across, down = stamp.margin
        x = {"left": across, "right": width - stamp.width - across}
        y = {"top": down, "bottom": height - stamp.height - down}
        words = place.split("-")
        left = next((x[word] for word in words if word in x), (width - stamp.width) // 2)
        top = next((y[word] for word in words if word in y), (height - stamp.height) // 2)
        shown = np.arange(max(0, left), min(width, left + stamp.width))
        yield stamp, top, max(0, left), shown - left
        return
    gap, (first, start) = stamp.gap, stamp.margin
    repeated = stamp.with_gap(gap)
    # Of a narrow picture, many rows of the text at once: each alone takes 0.1 ms, however narrow.
    pairs = _BAND_PIXELS // (2 * (stamp.height + gap) * width)
    if pairs > 1:
        several = stamp.with_gap(gap, gap).in_pairs(repeated.width // 2, pairs)
        columns = (np.arange(width) - first) % several.width
        for top in range(start, height, several.height):
            yield several, top, 0, columns
        return
    for number, top in enumerate(range(start, height, stamp.height + gap)):
        shift = repeated.width // 2 if number % 2 else 0
        yield repeated, top, 0, (np.arange(width) - first + shift) % repeated.width


def _mix(
    made: Picture,
    stamp: _Stamp,
    top: int,
    left: int,
    columns: NDArray[np.int64],
    opacity: float,
    colours: NDArray[np.float32] | None,
) -> None:
    """Write ``columns`` of ``stamp`` over ``made``, from row ``top`` and column ``left`` on."""
    rows = max(1, _BAND_PIXELS // max(1, len(columns)))
    end = min(made.height, top + stamp.height)
    for start in range(max(0, top), end, rows):
        stop = min(start + rows, end)
        window = np.s_[start:stop, left : left + len(columns)]
        shown, covered = (plane[start - top : stop - top, columns] for plane in stamp.planes)
        _mix_band(made, window, shown, covered, opacity, colours)


def _mix_band(
    made: Picture,
    window: tuple[slice, slice],
    shown: Samples,
    covered: Samples,
    opacity: float,
    colours: NDArray[np.float32] | None,
) -> None:
    """Mix a band; ``colours``: of the letters and the edge of a text; None: ``shown`` has them."""
    share = covered * np.float32(opacity / np.iinfo(covered.dtype).max)
    over: NDArray[Any] = shown.astype(np.float32)
    if colours is not None:
        # The rest of what is covered is edge.
        over = np.divide(shown, covered, out=np.zeros_like(share), where=covered > 0)
        if made.pixels.ndim == 3:
            over = over[:, :, None]
        over = colours[1] + over * (colours[0] - colours[1])
    if made.alpha is not None:
        below = made.alpha[window] / np.float32(made.max_value)
        opaque = share + below * (1 - share)
        share = np.divide(share, opaque, out=np.zeros_like(share), where=opaque > 0)
        made.alpha[window] = np.rint(opaque * made.max_value)
    if made.pixels.ndim == 3:
        share = share[:, :, None]
    pixels: NDArray[Any] = made.pixels[window].astype(np.float32)
    pixels += share * (over - pixels)
    made.pixels[window] = np.clip(np.rint(pixels, out=pixels), 0, made.max_value)
