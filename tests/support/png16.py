"""16-bit PNGs of every kind: create, read and process them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.networks.catalogue import Catalogue
from models.operations import Encoding
from models.operations.steps import read_pipeline
from tests.support import images
from workers.imaging.writer import Output
from workers.pipeline import Limits, Outputs, Pipeline

Array = NDArray[Any]
LIMITS = Limits(10**7, 10**7, 64)
CHANNELS = {"gray": 1, "gray+alpha": 2, "rgb": 3, "rgba": 4, "gray+key": 1, "rgb+key": 3}
KINDS = list(CHANNELS)


def scene(kind: str, width: int = 40, height: int = 30) -> Array:
    """Return (h, w) or (h, w, channels) uint16 with edges, both ends of the scale, all low bits."""
    rng = np.random.default_rng(3)
    channels = CHANNELS[kind]
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        32768 + 32000 * np.sin(x / (3 + c) + c) * np.cos(y / 4) + rng.normal(0, 300, x.shape)
        for c in range(channels)
    ]
    wide: Array = np.clip(np.rint(np.dstack(planes)), 0, 65535).astype(np.uint16)
    wide[: height // 4, : width // 4], wide[: height // 4, -(width // 4 + 1) :] = 0, 65535
    return wide[:, :, 0] if channels == 1 else wide


def file_of(kind: str, wide: Array, **options: Any) -> bytes:
    """Return the PNG; in ``+key`` kinds the colour of the last pixel is transparent."""
    key = tuple(int(v) for v in np.atleast_1d(wide[-1, -1])) if kind.endswith("+key") else ()
    return images.by_hand(wide, key=key, **options)


def split_up(kind: str, wide: Array) -> tuple[Array, Array | None]:
    """Return (colours in RGB order or gray, alpha) as a viewer should show them."""
    if kind.endswith("+key"):
        same = wide == wide[-1, -1]
        same = same.all(axis=2) if same.ndim == 3 else same
        return wide, np.where(same, 0, 65535)
    if CHANNELS[kind] in {2, 4}:
        return (wide[:, :, 0] if CHANNELS[kind] == 2 else wide[:, :, :3]), wide[:, :, -1]
    return wide, None


def unfiltered(data: bytes) -> tuple[int, Array]:
    """Return (colour type, samples) of a 16-bit PNG, read by OpenCV, not by our code.

    OpenCV decodes gray with alpha as BGRA, so the colour type comes from the header.
    """
    assert data[24] == 16
    wide = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert wide is not None and wide.dtype == np.uint16
    colour = data[25]
    if colour == 4:
        assert (wide[:, :, 0] == wide[:, :, 1]).all()
        return colour, wide[:, :, [0, 3]]
    return colour, wide if wide.ndim == 2 else wide[:, :, [2, 1, 0, 3][: wide.shape[2]]]


def process(
    folder: Path, data: bytes, *operations: str, output: Any = "png", **options: Any
) -> Outputs:
    folder.mkdir(exist_ok=True)
    source = folder / "source"
    source.write_bytes(data)
    steps = read_pipeline(operations, 9) if operations else []
    notes = options.pop("notes", ())
    catalogue = Catalogue.read(None)
    pipeline = Pipeline(steps, Encoding(output), catalogue, LIMITS, lambda _: None, **options)
    return pipeline.process(source, folder, LIMITS.max_pixels, notes)


def results(
    folder: Path, data: bytes, *operations: str, **options: Any
) -> list[tuple[Output, bytes]]:
    outputs = process(folder, data, *operations, **options).results
    return [(output, Path(output.path).read_bytes()) for output in outputs]
