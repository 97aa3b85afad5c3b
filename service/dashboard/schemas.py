"""TypedDicts of the dashboard API; ``service.schemas`` has those of the public API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from models.outbox.item import DeliveryStatus
from models.outbox.webhook import OUTCOMES
from models.tasks.schemas import Id, Percent, TaskBody, Time
from models.tasks.task import Status

Count = Annotated[int, Field(ge=0)]


AlertLevel = Literal["critical", "warning"]


class AlertBody(TypedDict):
    """One problem with workers, queue or Redis."""

    code: str
    level: AlertLevel
    text: str
    status: Annotated[str | None, Field(description="The status of the affected tasks.")]


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
    waiting: Count
    oldest_seconds: Annotated[int, Field(ge=0, description="How long the oldest task has waited.")]
    running: Count
    known: Annotated[int, Field(ge=0, description="Number of tasks in the ledger.")]
    rings: Annotated[
        int | None, Field(description="Jobs waiting in Redis; null: Redis does not answer.")
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


class TaskRowBody(TypedDict):
    """A task in a list."""

    task_id: Id
    status: Status
    progress: Percent
    name: str
    names: Annotated[int, Field(ge=1, description="Number of file names it was uploaded under.")]
    operations: list[str]
    worker: str | None
    attempts: Count
    error: Annotated[str | None, Field(description="The error code.")]
    created_at: Time | None
    asked_at: Time | None
    started_at: Time | None
    finished_at: Time | None


class TaskPageBody(TypedDict):
    """A page of tasks, newest first."""

    tasks: list[TaskRowBody]
    next: Annotated[
        str | None, Field(description="Value of ``after`` for the next page, if there is one.")
    ]


class TimelineBody(TypedDict):
    """One event in the history of a task."""

    at: Time | None
    what: str
    worker: str | None
    cause: str | None


class WebhookAttemptBody(TypedDict):
    """One attempt to deliver a webhook."""

    at: Time | None
    ms: float
    outcome: Annotated[str, Field(json_schema_extra={"enum": list(OUTCOMES)})]
    status: Annotated[
        int | None, Field(description="HTTP status of the response, if there was one.")
    ]
    worker: str


class WebhookBody(TypedDict):
    """A webhook and its delivery attempts, the newest 40 of them."""

    id: Annotated[str, Field(description="The webhook-id, the same for every attempt.")]
    type: Annotated[
        str | None, Field(description="task.succeeded, ...; null: the task or group has not ended.")
    ]
    about: Literal["task", "group"]
    subject: Annotated[str, Field(description="Id of the task or group.")]
    url: Annotated[str, Field(description="The receiver, without its query string.")]
    status: DeliveryStatus
    attempts: Count
    created_at: Time | None
    due_at: Annotated[Time | None, Field(description="Time of the next attempt.")]
    ended_at: Time | None
    error: Annotated[str | None, Field(description="Why the last attempt failed.")]
    calls: Annotated[
        list[WebhookAttemptBody], Field(description="Delivery attempts, oldest first.")
    ]
    actions: list[Literal["redeliver"]]


class WebhooksBody(TypedDict):
    """The newest webhooks."""

    webhooks: list[WebhookBody]


class TaskDetailBody(TaskBody):
    """A task with the details for operators."""

    names: list[str]
    attempts: Count
    client: Annotated[str, Field(description="Pseudonym of the client that uploaded first.")]
    worker: str | None
    lease_until: Time | None
    asked_at: Time | None
    timeline: list[TimelineBody]
    stages_ms: dict[str, float] | None
    webhooks: Annotated[
        list[WebhookBody], Field(description="Webhooks of the task and its groups, newest first.")
    ]
    actions: list[Literal["retry", "cancel"]]


class DrainBody(TypedDict):
    """Whether a worker was told to drain."""

    name: str
    drain: bool
