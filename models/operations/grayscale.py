"""Grayscale: luma only."""

from __future__ import annotations

from typing import ClassVar

from models.operations.spec import Operation


class Grayscale(Operation):
    """Take the colour out of a picture; transparency stays."""

    op: ClassVar[str] = "grayscale"
