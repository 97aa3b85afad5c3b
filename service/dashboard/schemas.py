"""TypedDicts of the dashboard API: queue, workers, history; ``service.schemas``: public API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from models.tasks.schemas import Id, Percent, Time

Count = Annotated[int, Field(ge=0)]


AlertLevel = Literal["critical", "warning"]
AlertCode = Literal[
    "no_workers",
    "all_drained",
    "worker_silent",
    "settings_differ",
    "waits_too_long",
    "queue_grows",
    "lease_over",
    "failures",
    "redis_away",
    "redis_memory",
    "mongodb_member",
    "disk_low",
    "disk_full",
    "spool_low",
    "spool_full",
]
"""``advice`` in the pages' messages, and docs/dashboard.md, say what to do about each."""


class AlertBody(TypedDict):
    """One problem with workers, queue, stores or disks."""

    code: AlertCode
    level: AlertLevel
    text: str
    status: Annotated[str | None, Field(description="The status of the affected tasks.")]
    since: Annotated[Time | None, Field(description="null: not yet noted, for ten seconds.")]


class WorkerCountsBody(TypedDict):
    """How many workers are alive, and how many of them take new tasks."""

    alive: Count
    running: Count


class RecentBody(TypedDict):
    """How tasks ended recently; ``codes``: error codes and their counts, most frequent first."""

    seconds: float
    succeeded: Count
    failed: Count
    cancelled: Count
    codes: dict[str, int]


class QueueBody(TypedDict):
    """The queue now, and the alerts, critical ones first."""

    alarms: list[AlertBody]
    waiting: Annotated[
        int, Field(ge=0, description="Accepted tasks that no worker has: status CREATED.")
    ]
    oldest_seconds: Annotated[int, Field(ge=0, description="How long the oldest task has waited.")]
    running: Count
    known: Annotated[int, Field(ge=0, description="Number of tasks in the ledger.")]
    rings: Annotated[
        int | None,
        Field(description="Jobs in Redis: those of waiting tasks. null: Redis does not answer."),
    ]
    workers: WorkerCountsBody
    lately: RecentBody


class RunningTaskBody(TypedDict):
    """A task that a worker runs."""

    task_id: Id
    progress: Percent
    since: Time | None


class ChildProcessBody(TypedDict):
    """One of a worker's child processes."""

    pid: int
    state: Literal["busy", "idle"]


class MemoryBody(TypedDict):
    """Resident memory in bytes."""

    worker: int | None
    children: int | None


class WorkerBody(TypedDict):
    """A worker, as its last heartbeat described it; null: unknown."""

    name: str
    host: str
    pid: int | None
    state: Literal["running", "draining", "drained", "silent"]
    drain: Annotated[bool, Field(description="Whether it was told to drain.")]
    silent_seconds: float
    started_at: Time | None
    engine: str
    places: Annotated[int | None, Field(description="How many tasks it can run at once.")]
    children: list[ChildProcessBody]
    tasks: list[RunningTaskBody]
    in_hand: Count
    done: int | None
    failed: int | None
    load: Annotated[float | None, Field(description="Load average of its machine over one minute.")]
    cores: int | None
    memory: MemoryBody


class WorkersBody(TypedDict):
    """Workers with a recent heartbeat."""

    workers: list[WorkerBody]


class HistoryPointBody(TypedDict):
    """One interval of the history: the sum of each count and the highest value of each level."""

    at: Time | None
    seconds: float
    asked: Count
    started: Count
    succeeded: Count
    failed: Count
    cancelled: Count
    waiting: Count
    running: Count
    workers: Count
    oldest: float


class HistoryBody(TypedDict):
    """Queue length and throughput, oldest point first; gaps where no service was running."""

    minutes: Count
    point_seconds: float
    points: list[HistoryPointBody]


class DrainBody(TypedDict):
    """Whether a worker was told to drain."""

    name: str
    drain: bool
