"""How often something may be asked, and how that stands: what ``models.redis.rate_counters`` counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A limit: the setting that holds it, as it is written there, and for whom it is counted."""

    setting: str
    rate: str
    whose: str


@dataclass(frozen=True)
class Reading:
    """How a limit stands: ``limit`` in ``window`` seconds, ``left`` for ``reset`` seconds more."""

    bound: Bound
    limit: int
    window: int
    left: int
    reset: int
    passed: bool
