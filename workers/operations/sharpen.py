"""Sharpen a picture with an unsharp mask."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from models.operations.sharpen import Sharpen
from workers.imaging.picture import Picture, Samples
from workers.imaging.premultiply import Plane, filter_premultiplied
from workers.operations import Tools
from workers.operations.blur import kernel_side

_TILE_SIDE = 512  # pixels: with the widest margins a tile's floats take 10 MB at a time
_WIDEN = 257  # 8-bit samples are blurred in 16 bits: a rounded blur times 500 % would be seen
_LEVELS = 255  # in which the threshold is given


def sharpen(picture: Picture, spec: Sharpen, tools: Tools) -> Picture:
    """Return ``picture`` + amount * (``picture`` - its Gaussian), clipped; alpha is kept.

    A difference is first made smaller by the threshold, as GIMP does it: it has no step there. The
    Gaussian weights colours by alpha and is mirrored beyond the border. It is computed in tiles:
    its samples of 16 bits and floats would need several times the picture's memory.
    """
    made = np.empty_like(picture.pixels)
    margin = kernel_side(spec.radius) // 2
    for top in range(0, picture.height, _TILE_SIDE):
        for left in range(0, picture.width, _TILE_SIDE):
            tile = np.s_[top : top + _TILE_SIDE, left : left + _TILE_SIDE]
            made[tile] = _sharpened(picture, spec, left, top, margin)
        tools.progress(min(1.0, (top + _TILE_SIDE) / picture.height))
    return picture.with_pixels(made, picture.alpha)


def _sharpened(picture: Picture, spec: Sharpen, left: int, top: int, margin: int) -> Samples:
    """Return the pixels of the tile from column ``left`` and row ``top`` on."""
    right = min(left + _TILE_SIDE, picture.width)
    bottom = min(top + _TILE_SIDE, picture.height)
    x, y = max(0, left - margin), max(0, top - margin)
    around = picture.window(
        x, y, min(right + margin, picture.width) - x, min(bottom + margin, picture.height) - y
    )
    side = kernel_side(spec.radius)

    def smooth(plane: Plane) -> Plane:
        return cv2.GaussianBlur(plane, (side, side), spec.radius)

    wide = _in_16_bits(around)
    inner = np.s_[top - y : bottom - y, left - x : right - x]
    sharp = wide.pixels[inner].astype(np.float32)
    difference = sharp - filter_premultiplied(wide, smooth).pixels[inner]
    if spec.threshold:
        threshold = spec.threshold / _LEVELS * wide.max_value
        difference -= np.clip(difference, -threshold, threshold)
    difference *= spec.amount / 100
    sharp += difference
    if not picture.is_16_bit:
        sharp /= _WIDEN
    np.clip(np.rint(sharp, out=sharp), 0, picture.max_value, out=sharp)
    return np.asarray(sharp, picture.pixels.dtype)


def _in_16_bits(picture: Picture) -> Picture:
    """Return a contiguous copy in 16 bits a sample; an 8-bit white becomes a 16-bit white."""

    def widened(samples: Samples) -> Samples:
        if samples.dtype == np.uint16:
            return np.ascontiguousarray(samples)
        return np.multiply(samples, _WIDEN, dtype=np.uint16)

    alpha = None if picture.alpha is None else widened(picture.alpha)
    return replace(picture, pixels=widened(picture.pixels), alpha=alpha)
