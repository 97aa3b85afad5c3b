"""What the jobs of one worker process share, and the state of one attempt."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from async_lru import alru_cache

from models.free_space import FreeSpace
from models.metrics.instruments import Instruments
from models.metrics.metric import MetricSource
from models.networks.catalogue import Catalogue
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.tasks.needs import Abilities
from models.tasks.task import Task
from models.work_prices import crowding
from workers.child.memory_semaphore import MemorySemaphore
from workers.child.pool import ChildPool
from workers.progress import ProgressMeter

_COUNT_SECONDS = 60.0  # so that many workers do not count each other all the time


@dataclass
class WorkerContext:
    """What the jobs of one worker process share.

    ``scratch``: its temporary folder. ``memory``: shared by its running child processes.
    ``claiming``: tasks that it claims at this moment; those it has claimed are ``attempts``.
    ``cancellations``: how often ``check_leases`` was called.
    ``done`` and ``failed``: tasks it ended so since its start. ``worked_at``: when its last attempt
    ended; ``snapshot_at``: when it began the last snapshot of its metrics (time.monotonic).
    ``draining``: it takes no new tasks.
    ``reported``: it has sent a heartbeat. ``publishing_bytes``: of results that it is storing.
    ``leave``: called with the id of a job that this worker cannot do; it is not taken again.
    ``swept_to``: when the last of the waiting tasks was enqueued that its last sweep looked at.
    ``ended``: tasks whose webhooks are to be made due.
    ``email_due``, ``webhook_due``: set when one may be due, so that the sender looks at once.
    """

    name: str
    settings: Settings
    store: Store
    queue: Queue
    children: ChildPool
    catalogue: Catalogue
    scratch: Path
    memory: MemorySemaphore
    free_space: FreeSpace
    instruments: Instruments = field(default_factory=lambda: Instruments(MetricSource.WORKER))
    claiming: int = 0
    leave: Callable[[str], None] = field(default=lambda _: None)
    attempts: set[Attempt] = field(default_factory=set)
    cancellations: int = 0
    done: int = 0
    failed: int = 0
    worked_at: float = -math.inf
    snapshot_at: float = -math.inf
    started_at: datetime = field(init=False)
    draining: bool = False
    reported: bool = False
    publishing_bytes: int = 0
    swept_to: datetime | None = None
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    email_due: asyncio.Event = field(default_factory=asyncio.Event)
    webhook_due: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.started_at = self.store.clock.now()
        self.count_workers = alru_cache(ttl=_COUNT_SECONDS)(self.store.workers.count_alive)

    def check_leases(self, task_id: str = "") -> None:
        """Let the attempt at a task, which may be cancelled, check its lease; all without an id.

        Only the lease decides: the task may have been restarted since, and be running again.
        """
        self.cancellations += 1
        for attempt in self.attempts:
            if task_id in {"", attempt.task.id}:
                attempt.check_lease.set()

    @cached_property
    def abilities(self) -> Abilities:
        """What its tasks may need."""
        return Abilities.of_worker(self.settings, self.catalogue)


@dataclass(eq=False)
class Attempt:
    """One claim of one task.

    ``meter``: its progress. ``publishing``: its results are being stored; from then on only its
    token decides, so that nothing is left half stored. ``on_publishing`` is called then.
    ``check_lease``: set to check the lease now,
    not at the next heartbeat. ``lost``: set when another worker has the lease, or the task was
    cancelled. ``started`` and ``lease_renewed``: times of the claim and of the last extension of
    the lease, by time.monotonic. ``outcome``: how it ended, a label of the metrics. ``stages``:
    milliseconds by stage, as in the metrics; ``child_stages``: what the child process measured of
    stage ``work``.
    """

    task: Task
    token: str
    on_publishing: Callable[[], None] = lambda: None
    meter: ProgressMeter = field(init=False)
    publishing: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    child_stages: dict[str, float] = field(default_factory=dict)
    check_lease: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=time.monotonic)
    lease_renewed: float = field(default_factory=time.monotonic)
    outcome: str = "other"

    def __post_init__(self) -> None:
        work, beside = self.task.work, self.task.beside
        seconds = sum(each * crowding(part, beside) for part, each in work.parts)
        alone = sum(each for _, each in work.parts)
        self.meter = ProgressMeter(work.seconds * seconds / alone if alone else 0.0)

    @property
    def progress(self) -> int:
        """Percent of the task that is done, see ``ProgressMeter``."""
        return self.meter.percent(time.monotonic())

    def stage_times(self) -> dict[str, float]:
        """Return the milliseconds of each stage so far, with the child's stages for ``work``."""
        times: dict[str, float] = {}
        for stage, spent in self.stages.items():
            times |= (stage == "work" and self.child_stages) or {stage: spent}
        return times

    def set_outcome(self, outcome: str) -> None:
        """Record how it ended; only the first call counts: what is published stays published."""
        if self.outcome == "other":
            self.outcome = outcome
