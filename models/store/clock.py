"""MongoDB's own clock, by which all programs agree whatever theirs say."""

from __future__ import annotations

from typing import Any


def after(seconds: float) -> dict[str, Any]:
    """Return the expression for ``seconds`` from now, to the millisecond; negative: before now."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}
