"""Tests of the operations, one file each: effect on pixels, and refused parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.errors import BadParameter
from models.networks.catalogue import Catalogue
from models.operations import Operation, load, parse
from tests.support import images
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools, run

NO_NUMBERS = ["", " ", "nan", "inf", "-inf", "1e400", "ten", "9" * 5000, "0x10", "2;3", "\0"]
"""Values that a form may send in place of a number."""
NO_VALUES = [True, None, [1], {"a": 1}]
"""Values that JSON may have in place of a number."""


def tools(weights_dir: Path | None = None) -> Tools:
    return Tools(Catalogue.read(weights_dir), 64, lambda share: None)


def apply(picture: Picture, spec: Operation, using: Tools | None = None) -> Picture:
    """Return the only result of ``spec`` on ``picture``."""
    (changed,) = run(picture, spec, using or tools())
    return changed


def bgr(width: int = 60, height: int = 50) -> Pixels:
    return np.ascontiguousarray(images.scene(width, height)[:, :, ::-1])


def image(picture: Picture) -> Image.Image:
    """Return the pixels, without alpha, as a Pillow image."""
    pixels = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, ::-1]
    return Image.fromarray(np.ascontiguousarray(pixels))


def refusal(op: str, **parameters: Any) -> str:
    """Return the error text that refuses ``parameters``."""
    with pytest.raises(BadParameter) as caught:
        parse(op, parameters)
    assert len(caught.value.detail) < 400
    return caught.value.detail


def document(op: str, **parameters: Any) -> dict[str, Any]:
    """Return the canonical document; also check that it survives JSON, as a task's does."""
    spec = parse(op, parameters)
    assert load(json.loads(json.dumps(spec.document()))) == spec
    return spec.document()


def half_hidden(hidden: int, shown: int = 200, side: int = 40) -> Picture:
    """Return one colour with the lower half transparent; there the colour is ``hidden``."""
    pixels = np.full((side, side, 3), shown, np.uint8)
    pixels[side // 2 :] = hidden
    alpha = np.zeros((side, side), np.uint8)
    alpha[: side // 2] = 255
    return Picture(pixels, alpha)


def visible(picture: Picture, least: int = 8) -> Pixels:
    """Return the pixels with an alpha of at least ``least``."""
    assert picture.alpha is not None
    return np.asarray(picture.pixels[picture.alpha >= least], np.uint8)
