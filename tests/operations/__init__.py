"""One file an operation: what it does to pixels, and what it refuses."""

from __future__ import annotations

from pathlib import Path

from models.catalogue import Catalogue
from models.operations import Operation
from workers.operations import Tools, run
from workers.picture import Picture


def tools(weights_dir: Path | None = None) -> Tools:
    return Tools(Catalogue.read(weights_dir), 64, lambda share: None)


def apply(picture: Picture, spec: Operation, using: Tools | None = None) -> Picture:
    """Return the one picture that ``spec`` makes of ``picture``."""
    (changed,) = run(picture, spec, using or tools())
    return changed
