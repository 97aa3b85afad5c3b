"""When what is harmed: decided by a seed before the storm begins, so that it can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Harm:
    """One harm, ``at`` seconds from the beginning; ``seconds`` is how long a freeze lasts.

    ``pick`` chooses, of several workers or children, the one that is hit.
    """

    at: float
    what: str
    who: str
    seconds: float = 0
    pick: int = 0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.what} {self.who}{lasting}"


KINDS: tuple[tuple[str, str, tuple[float, float] | None], ...] = (
    ("kill", "worker", None),
    ("kill", "child", None),
    ("kill", "service", None),
    ("kill", "redis", None),
    ("kill", "mongo", None),
    ("wipe and kill", "redis", None),
    ("flush", "redis", None),
    ("terminate", "mongo", None),
    ("step down", "mongo", None),
    ("freeze", "worker", (4, 6)),  # longer than the storm's lease: another takes its tasks
    ("freeze", "child", (0.5, 4)),
    ("freeze", "service", (0.2, 2)),
    ("freeze", "redis", (0.5, 3)),
    ("freeze", "mongo", (0.5, 3)),
)
CHARGING = frozenset({"worker", "child", "mongo"})
"""Whose death or silence may cost a task that is in work an attempt."""


def schedule(seconds: float, pause: float, seed: int) -> list[Harm]:
    """Return harms about every ``pause`` seconds; each kind comes once before any comes again."""
    rng = random.Random(seed)
    at, left, harms = 0.0, list[tuple[str, str, tuple[float, float] | None]](), list[Harm]()
    while (at := at + rng.uniform(0.5 * pause, 1.5 * pause)) < seconds:
        if not left:
            left = list(KINDS)
            rng.shuffle(left)
        what, who, span = left.pop()
        harms.append(Harm(at, what, who, rng.uniform(*span) if span else 0, rng.randrange(1000)))
    return harms
