"""The schedule of faults: derived from a seed before the storm, so that it is repeatable."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault, ``at`` seconds from the start; ``seconds`` is how long a freeze lasts.

    ``pick`` chooses one of several workers or child processes.
    """

    at: float
    action: str
    target: str
    seconds: float = 0
    pick: int = 0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.action} {self.target}{lasting}"


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
    ("freeze", "worker", (4, 6)),  # longer than the storm's lease: another worker takes its tasks
    ("freeze", "child", (0.5, 4)),
    ("freeze", "service", (0.2, 2)),
    ("freeze", "redis", (0.5, 3)),
    ("freeze", "mongo", (0.5, 3)),
)
CHARGING_TARGETS = frozenset({"worker", "child", "mongo"})
"""Targets whose death or freeze may cost a running task an attempt."""


def schedule(seconds: float, pause: float, seed: int) -> list[Fault]:
    """Return faults about every ``pause`` seconds; each kind comes once before any repeats."""
    rng = random.Random(seed)
    at, left, faults = 0.0, list[tuple[str, str, tuple[float, float] | None]](), list[Fault]()
    while (at := at + rng.uniform(0.5 * pause, 1.5 * pause)) < seconds:
        if not left:
            left = list(KINDS)
            rng.shuffle(left)
        action, target, span = left.pop()
        faults.append(
            Fault(at, action, target, rng.uniform(*span) if span else 0, rng.randrange(1000))
        )
    return faults
