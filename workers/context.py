"""One claim of one task, and what the jobs of a worker share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from models.metrics.instruments import Instruments
from models.metrics.metric import Source
from models.networks.catalogue import Catalogue
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.tasks.task import Task
from workers.child.memory_semaphore import Room
from workers.child.pool import Children


@dataclass
class Worker:
    """What the jobs of one worker process share.

    ``done`` and ``failed``: attempts since it started that ended their task so. ``draining``: it
    takes no new tasks. ``due``: set when a webhook is, so that nobody waits for the next look.
    """

    name: str
    settings: Settings
    store: Store
    queue: Queue
    children: Children
    catalogue: Catalogue
    scratch: Path
    room: Room
    instruments: Instruments = field(default_factory=lambda: Instruments(Source.WORKER))
    attempts: set[Attempt] = field(default_factory=set)
    done: int = 0
    failed: int = 0
    draining: bool = False
    due: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Attempt:
    """One claim of one task.

    ``publishing``: its results are being stored; from there on only its token decides, so that
    nothing is left half stored. ``doubt``: set to have the lease looked at now, not at the next
    heartbeat. ``lost``: set when it turned out to be another's, or the task to be cancelled.
    ``began`` and ``renewed``: when it was claimed, and its lease last extended, by time.monotonic.
    ``outcome``: how it ended, as the metrics call it. ``stages``: milliseconds, as the metrics have
    them; ``pixels``: what the child measured of the stage ``work``.
    """

    task: Task
    token: str
    progress: int = 0
    publishing: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    pixels: dict[str, float] = field(default_factory=dict)
    doubt: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    began: float = field(default_factory=time.monotonic)
    renewed: float = field(default_factory=time.monotonic)
    outcome: str = "other"

    def story(self) -> dict[str, float]:
        """Return the milliseconds of each stage so far: the child's own in place of ``work``."""
        told: dict[str, float] = {}
        for stage, spent in self.stages.items():
            name = stage.removesuffix("_ms")
            told |= self.pixels if name == "work" and self.pixels else {name: spent}
        return told

    def end(self, outcome: str) -> None:
        """Note how it ended, once: what is published stays so whatever goes wrong afterwards."""
        if self.outcome == "other":
            self.outcome = outcome
