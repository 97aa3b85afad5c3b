"""Enlarge an image with a super-resolution network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from models.errors import BadParameter, WeightsMissing
from models.networks.catalogue import AUTO_MODEL, Weights
from models.operations.upscale import Upscale
from workers.imaging import depth16, notes
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.upscaler import faithful, quality_report, sanity, tiles
from workers.upscaler.auto import choose
from workers.upscaler.blend import Blend
from workers.upscaler.colour import Chroma, choose_chroma
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

_SPREAD_KERNEL = (9, 9)  # four pixels each way: further in, an edge does not affect the network
_MIN_VISIBLE_ALPHA = 8  # of 255: below it a colour weighs under 3 % and counts as hidden
_BORDER = cv2.BORDER_REPLICATE


def upscale(picture: Picture, spec: Upscale, tools: Tools) -> Picture:
    """Return ``picture`` ``spec.scale`` times as wide and high, in 8 bits.

    Alpha goes through the network separately. What is low in frequency stays the input's, see
    ``workers.upscaler.faithful``. A print keeps its size.

    Raises:
        WeightsMissing: this worker lacks the network that the service found.
        WeightsUnusable: no engine can run it, or its file was changed.
        BadOutput: no engine produced an image that matches the input.
    """
    networks = spec.networks()
    if spec.model == AUTO_MODEL:
        networks, note = choose(picture, spec.strength or 0, spec.scale)
        picture = replace(picture, notes=(*picture.notes, note))
    return run_networks(picture, networks, spec.strength, tools)


def run_networks(
    picture: Picture, networks: Sequence[tuple[str, int]], strength: int | None, tools: Tools
) -> Picture:
    """Return ``picture`` through ``networks``, (name, scale) each, in 8 bits.

    ``strength``: percent of the first one's result, see ``Blend``; None: one network alone. At
    scale 1 alpha stays as it is. Raises what ``upscale`` does.
    """
    try:
        found = tuple(tools.catalogue.find(*each) for each in networks)
    except BadParameter as error:
        raise WeightsMissing(f"on this worker: {error.detail}") from None
    for weights in found:
        tools.catalogue.check(weights)
    # Where one network is needed, that is all of the result, but at scale 1.
    alone = len(found) == 1 and found[0].scale > 1
    blend = Blend(found, 100 if alone or strength is None else strength)
    picture = depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_NETWORK)
    before = _spread_colour(picture)
    alpha = None if picture.alpha is None else depth16.to_8_bits(picture.alpha)
    has_shades = alpha is not None and blend.scale > 1 and alpha.min() != alpha.max()
    share = 0.75 if has_shades else 1.0  # of the progress: colour is up to three planes of four
    used_engine, pixels = _enlarge(before, blend, tools, 0.0, share)
    if tools.report is not None:
        tools.report(
            {
                "model": blend.first.name,
                "scale": blend.scale,
                "weights_sha256": blend.first.sha256,
                "engine": used_engine,
                **quality_report.measure(before, pixels, blend.scale),
            }
        )
    mask = alpha
    if alpha is not None and has_shades:
        _, large = _enlarge(alpha, blend.of_alpha(), tools, share, 1.0)
        mask = faithful.keep_mask(alpha, large)
    elif alpha is not None and blend.scale > 1:
        mask = np.full(pixels.shape[:2], alpha.flat[0], np.uint8)
    # Networks make many colours; and a kept copy of the result has no palette either.
    enlarged = replace(picture.with_pixels(pixels, mask), few_colours=False)
    return enlarged.printed_alike(blend.scale, blend.scale)


def _enlarge(
    before: Pixels, blend: Blend, tools: Tools, begin: float, end: float
) -> tuple[str, Pixels]:
    """Return the label of the engine, and ``before`` enlarged by it.

    The progress goes from ``begin`` to ``end``, shares of the whole task.
    """
    # What OpenCV published is run as OpenCV does.
    filtered = blend.is_published or not blend.takes_luma
    chroma = Chroma.BILINEAR if filtered else choose_chroma(before)

    def progress(share: float) -> None:
        tools.progress(begin + share * (end - begin))

    def attempt(engine: Engine) -> Callable[[], Pixels]:
        def run(weights: Weights, part: Pixels) -> Pixels:
            return engine.enlarge(tools.catalogue.path(weights), weights, part, chroma)

        tile = tools.tile_side or blend.tile_side(
            engine.tile_side, before.shape[0] * before.shape[1]
        )
        enlarge = partial(blend.enlarge, run)
        return lambda: tiles.apply(enlarge, before, blend.scale, tile, blend.overlap, progress)

    label, after = sanity.enlarge_checked(
        before, [(each.label, attempt(each)) for each in engines(tools)], blend.limits
    )
    if not blend.is_published:
        # After the check, which it would deceive.
        faithful.keep_light(before, after, damaged=blend.mends)
    return label, after


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
    blurred = cv2.blur(pixels, _SPREAD_KERNEL, borderType=_BORDER).astype(np.uint16)
    weight = np.maximum(near, 1) if pixels.ndim == 2 else np.maximum(near, 1)[:, :, None]
    filled = np.minimum(blurred * 255 // weight, 255).astype(np.uint8)
    fill = hidden & (near > 0)
    pixels[fill] = filled[fill]
    return pixels
