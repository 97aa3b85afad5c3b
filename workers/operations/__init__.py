"""One module per operation, with one function of the same name.

Each takes (picture, spec, tools) and returns the changed picture, or a list of its parts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models.networks.catalogue import Catalogue
from models.operations import Operation
from workers.imaging.picture import Picture
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE


@dataclass(frozen=True)
class Tools:
    """What an operation may use beside its picture.

    ``tile_side``: side of the upscaler's tiles in pixels; 0: the engine's best. ``progress``: takes
    the share of this operation that is done, 0 to 1. ``report``: takes the measurements; None: do
    not measure. ``watermark``: decodes the picture of a watermark, at most once.
    """

    catalogue: Catalogue
    tile_side: int
    progress: Callable[[float], None]
    report: Callable[[dict[str, Any]], None] | None = None
    engine: Engine = field(default=REFERENCE)
    watermark: Callable[[], Picture] | None = None


def run(picture: Picture, spec: Operation, tools: Tools) -> list[Picture]:
    """Apply the operation that ``spec`` describes; return its ``spec.parts`` parts."""
    module: Any = importlib.import_module(f"workers.operations.{spec.op}")
    changed: Picture | list[Picture] = getattr(module, spec.op)(picture, spec, tools)
    return changed if isinstance(changed, list) else [changed]
