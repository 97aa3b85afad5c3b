"""Enlarge an image with a super-resolution network."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from models.errors import BadParameter, WeightsMissing
from models.operations.upscale import Upscale
from workers.imaging import depth16, notes
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.upscaler import quality_report, sanity, tiles
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

_SPREAD_KERNEL = (9, 9)  # four pixels each way: further in, an edge does not affect the network
_MIN_VISIBLE_ALPHA = 8  # of 255: below it a colour weighs under 3 % and counts as hidden
_BORDER = cv2.BORDER_REPLICATE


def upscale(picture: Picture, spec: Upscale, tools: Tools) -> Picture:
    """Return ``picture`` ``spec.scale`` times as wide and high, in 8 bits.

    Alpha is enlarged separately. A print keeps its size.

    Raises:
        WeightsMissing: this worker lacks the network that the service found.
        WeightsUnusable: no engine can run it, or its file was changed.
        BadOutput: no engine produced an image that matches the input.
    """
    try:
        weights = tools.catalogue.find(spec.model, spec.scale)
    except BadParameter as error:
        raise WeightsMissing(f"on this worker: {error.detail}") from None
    tools.catalogue.check(weights)
    path = tools.catalogue.path(weights)
    picture = depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_NETWORK)
    before = _spread_colour(picture)

    def attempt(engine: Engine) -> Callable[[], Pixels]:
        def enlarge(part: Pixels) -> Pixels:
            return engine.enlarge(path, weights, part)

        tile = tools.tile_side or tiles.tile_side(
            engine.tile_side, weights, before.shape[0] * before.shape[1]
        )
        return lambda: tiles.apply(
            enlarge, before, spec.scale, tile, weights.radius, tools.progress
        )

    used_engine, pixels = sanity.enlarge_checked(
        before, [(engine.label, attempt(engine)) for engine in engines(tools)]
    )
    if tools.report is not None:
        tools.report(
            {
                "model": weights.name,
                "scale": weights.scale,
                "weights_sha256": weights.sha256,
                "engine": used_engine,
                **quality_report.measure(before, pixels, spec.scale),
            }
        )
    alpha = None
    if picture.alpha is not None:
        # Straight alpha is a smooth plane or a hard mask; a network would ring at a mask's edges.
        size = (picture.width * spec.scale, picture.height * spec.scale)
        alpha = np.asarray(cv2.resize(picture.alpha, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return picture.with_pixels(pixels, alpha).printed_alike(spec.scale, spec.scale)


def engines(tools: Tools) -> list[Engine]:
    """Return the engines to try; the reference is last and serves if the other fails."""
    return [tools.engine] if tools.engine is REFERENCE else [tools.engine, REFERENCE]


def _spread_colour(picture: Picture) -> Pixels:
    """Return 8-bit pixels with visible colour spread into hidden neighbours.

    The hidden colour (often black) would otherwise bleed into the visible edge as a fringe.
    """
    pixels = depth16.to_8_bits(picture.pixels)
    if picture.alpha is None or bool((picture.alpha >= _MIN_VISIBLE_ALPHA).all()):
        return pixels
    hidden = picture.alpha < _MIN_VISIBLE_ALPHA
    pixels = pixels.copy()
    pixels[hidden] = 0
    near = cv2.blur(np.where(hidden, 0, 255).astype(np.uint8), _SPREAD_KERNEL, borderType=_BORDER)
    colour = cv2.blur(pixels, _SPREAD_KERNEL, borderType=_BORDER).astype(np.uint16)
    weight = np.maximum(near, 1) if pixels.ndim == 2 else np.maximum(near, 1)[:, :, None]
    filled = np.minimum(colour * 255 // weight, 255).astype(np.uint8)
    fill = hidden & (near > 0)
    pixels[fill] = filled[fill]
    return pixels
