"""Enlarge a picture with a super-resolution network."""

from __future__ import annotations

import cv2
import numpy as np

from models.errors import BadParameter, WeightsMissing
from models.operations import Upscale
from workers.operations import Tools
from workers.picture import Picture, Pixels
from workers.upscaler import engine, tiles


def upscale(picture: Picture, spec: Upscale, tools: Tools) -> Picture:
    """Return ``picture`` ``spec.scale`` times as wide and high; alpha goes through on its own.

    Raises:
        WeightsMissing: this worker lacks the network that the service found.
    """
    try:
        weights = tools.catalogue.find(spec.model, spec.scale)
    except BadParameter as error:
        raise WeightsMissing(f"on this worker: {error.detail}") from None
    network = engine.load(tools.catalogue.path(weights), weights.algorithm, weights.scale)

    def enlarge(part: Pixels) -> Pixels:
        return engine.enlarge(network, part)

    pixels = tiles.apply(
        enlarge, picture.pixels, spec.scale, tools.tile, weights.radius, tools.progress
    )
    alpha = None
    if picture.alpha is not None:
        # Straight alpha is a smooth plane or a hard mask; a network would ring at a mask's edges.
        size = (picture.width * spec.scale, picture.height * spec.scale)
        alpha = np.asarray(cv2.resize(picture.alpha, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return picture.with_pixels(pixels, alpha)
