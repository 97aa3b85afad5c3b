"""One file an operation: what it does to pixels, and what it refuses."""

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
"""What a form may send where a number is wanted."""
NO_VALUES = [True, None, [1], {"a": 1}]
"""What JSON may hold where one is wanted."""


def tools(weights_dir: Path | None = None) -> Tools:
    return Tools(Catalogue.read(weights_dir), 64, lambda share: None)


def apply(picture: Picture, spec: Operation, using: Tools | None = None) -> Picture:
    """Return the one picture that ``spec`` makes of ``picture``."""
    (changed,) = run(picture, spec, using or tools())
    return changed


def bgr(width: int = 60, height: int = 50) -> Pixels:
    return np.ascontiguousarray(images.scene(width, height)[:, :, ::-1])


def image(picture: Picture) -> Image.Image:
    """Return the pixels, without alpha, as Pillow has them."""
    pixels = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, ::-1]
    return Image.fromarray(np.ascontiguousarray(pixels))


def refusal(op: str, **parameters: Any) -> str:
    """Return the sentence with which ``parameters`` are refused."""
    with pytest.raises(BadParameter) as caught:
        parse(op, parameters)
    assert len(caught.value.detail) < 400
    return caught.value.detail


def document(op: str, **parameters: Any) -> dict[str, Any]:
    """Return the canonical document, having been through JSON and back as a task's is."""
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
    """Return the pixels of which something can be seen."""
    assert picture.alpha is not None
    return np.asarray(picture.pixels[picture.alpha >= least], np.uint8)
