"""The spec of restore: mend a damaged photograph at its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from models.operations.photo import DEFAULT_STRENGTH, Strength, blended
from models.operations.spec import Operation


class Restore(Operation):
    """Mend a damaged photograph: less noise, no JPEG blocks, sharper edges; its size stays."""

    op: ClassVar[str] = "restore"
    runs_network: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "strength"
    costly: ClassVar[bool] = True

    strength: Strength = Field(
        DEFAULT_STRENGTH,
        description="Percent of the network's result; the rest is the picture as it was.",
    )

    def networks(self) -> Sequence[tuple[str, int]]:
        return blended(self.strength, 1)
