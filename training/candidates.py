"""What ``training.compare`` compares: the catalogue's networks, files of others, interpolation."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from models.networks.catalogue import Catalogue, Weights
from models.networks.file_hash import hash_file
from models.operations.upscale import Upscale
from training.degrade import bicubic
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.operations.upscale import upscale
from workers.upscaler.openvino import OpenVINO

Enlarge = Callable[[Pixels], Pixels]
BICUBIC = "bicubic"
_RADIUS = 34  # of files without a manifest; most see less far


def read_catalogue(weights: Path | None, others: Path | None) -> Catalogue:
    """Return the catalogue with the files of ``weights``, and the ONNX files of ``others``.

    Those are NAME_xSCALE.onnx and take RGB from 0 to 1.
    """
    known = Catalogue.read(weights)
    found = {(w.name, w.scale): known.path(w) for w in known.available()}
    networks = [w for w in known.known if (w.name, w.scale) in found]
    for path in sorted(others.glob("*.onnx")) if others else ():
        named = re.fullmatch(r"(.+)_x(\d)", path.stem)
        if named is None or (named[1], int(named[2])) in found:
            continue
        other = Weights(named[1], "rgb", int(named[2]), path.name, hash_file(path), _RADIUS)
        networks.append(other)
        found[other.name, other.scale] = path.resolve()
    return Catalogue(networks, found)


def names(catalogue: Catalogue, scale: int) -> list[str]:
    """Return interpolation, and the networks for ``scale``."""
    return [BICUBIC, *(w.name for w in catalogue.available() if w.scale == scale)]


def enlarger(catalogue: Catalogue, name: str, scale: int) -> Enlarge:
    """Return the function that enlarges BGR pixels: all that the service does, in OpenVINO."""
    if name == BICUBIC:
        return partial(_interpolate, scale=scale)
    spec = Upscale(model=name, scale=scale)
    tools = Tools(catalogue, 0, lambda share: None, engine=OpenVINO())
    return lambda low: np.asarray(upscale(Picture(low), spec, tools).pixels, np.uint8)


def _interpolate(low: Pixels, scale: int) -> Pixels:
    """Matlab's bicubic, each channel by itself."""
    size = (low.shape[0] * scale, low.shape[1] * scale)
    return np.dstack([bicubic(np.ascontiguousarray(low[:, :, each]), *size) for each in range(3)])
