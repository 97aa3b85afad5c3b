"""The JSON of the dashboard's API, typed as ``service.schemas`` types that of everybody's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from models.outbox.item import Mailing
from models.outbox.webhook import OUTCOMES
from models.tasks.schemas import Id, Percent, TaskBody, Time
from models.tasks.task import Status

Count = Annotated[int, Field(ge=0)]


class AlarmBody(TypedDict):
    """One thing that is wrong."""

    code: str
    level: Literal["critical", "warning"]
    text: str
    status: Annotated[str | None, Field(description="The status of the tasks it is about.")]


class AliveBody(TypedDict):
    """How many workers were seen lately, and how many of them take new tasks."""

    alive: Count
    running: Count


class LatelyBody(TypedDict):
    """How tasks ended lately; ``codes``: of those that failed, the most frequent first."""

    seconds: float
    succeeded: Count
    failed: Count
    cancelled: Count
    codes: dict[str, int]


class QueueBody(TypedDict):
    """How it is now, and what is wrong: what is critical first."""

    alarms: list[AlarmBody]
    waiting: Count
    oldest_seconds: Annotated[int, Field(ge=0, description="The longest that one waits already.")]
    running: Count
    known: Annotated[int, Field(ge=0, description="Tasks in the ledger.")]
    rings: Annotated[int | None, Field(description="In Redis; null: it does not answer.")]
    workers: AliveBody
    lately: LatelyBody


class HandBody(TypedDict):
    """A task in a worker's hands."""

    task_id: Id
    progress: Percent
    since: Time | None


class ChildBody(TypedDict):
    """One of a worker's child processes."""

    pid: int
    state: Literal["busy", "idle"]


class MemoryBody(TypedDict):
    """Resident bytes."""

    worker: int | None
    children: int | None


class WorkerBody(TypedDict):
    """A worker, as it said itself; null: it does not say."""

    name: str
    host: str
    pid: int | None
    state: Literal["running", "draining", "drained", "silent"]
    drain: Annotated[bool, Field(description="Whether it was asked to drain.")]
    silent_seconds: float
    started_at: Time | None
    engine: str
    places: Annotated[int | None, Field(description="How many tasks it works at side by side.")]
    children: list[ChildBody]
    tasks: list[HandBody]
    in_hand: Count
    done: int | None
    failed: int | None
    load: Annotated[float | None, Field(description="Of its machine, over a minute.")]
    cores: int | None
    memory: MemoryBody


class WorkersBody(TypedDict):
    """The workers that were seen lately."""

    workers: list[WorkerBody]


class PointBody(TypedDict):
    """What was noted in one span of time; of counts the sum, of levels the highest."""

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
    """Queue length and throughput, oldest point first; where nobody noted there is none."""

    minutes: Count
    point_seconds: float
    points: list[PointBody]


class RowBody(TypedDict):
    """A task as one of many."""

    task_id: Id
    status: Status
    progress: Percent
    name: str
    names: Annotated[int, Field(ge=1, description="Under how many names it was sent.")]
    operations: list[str]
    worker: str | None
    attempts: Count
    error: Annotated[str | None, Field(description="Its code.")]
    created_at: Time | None
    asked_at: Time | None
    started_at: Time | None
    finished_at: Time | None


class RowsBody(TypedDict):
    """A page of tasks, newest first."""

    tasks: list[RowBody]
    next: Annotated[str | None, Field(description="``after`` of the next page, if there is one.")]


class MomentBody(TypedDict):
    """Something that happened to a task."""

    at: Time | None
    what: str
    worker: str | None
    cause: str | None


class CallBody(TypedDict):
    """One call of a receiver."""

    at: Time | None
    ms: float
    outcome: Annotated[str, Field(json_schema_extra={"enum": list(OUTCOMES)})]
    status: Annotated[int | None, Field(description="Of the answer, if one came.")]
    worker: str


class WebhookBody(TypedDict):
    """One event for a callback_url, and every call it took: the newest WEBHOOK_LOG."""

    id: Annotated[str, Field(description="The webhook-id; the same however often it is sent.")]
    type: Annotated[str | None, Field(description="task.succeeded, ...; null: not ended yet.")]
    about: Literal["task", "group"]
    subject: Annotated[str, Field(description="Id of that task or group.")]
    url: Annotated[str, Field(description="Whom it is for; its query is not shown.")]
    status: Mailing
    attempts: Count
    created_at: Time | None
    due_at: Annotated[Time | None, Field(description="When it is tried next.")]
    ended_at: Time | None
    error: Annotated[str | None, Field(description="Why it was not delivered, lately.")]
    calls: Annotated[list[CallBody], Field(description="Oldest first.")]
    actions: list[Literal["redeliver"]]


class WebhooksBody(TypedDict):
    """The newest events."""

    webhooks: list[WebhookBody]


class DetailBody(TaskBody):
    """All that an operator may know of a task."""

    names: list[str]
    attempts: Count
    client: Annotated[str, Field(description="A pseudonym of who asked first.")]
    worker: str | None
    lease_until: Time | None
    asked_at: Time | None
    timeline: list[MomentBody]
    stages_ms: dict[str, float] | None
    webhooks: Annotated[
        list[WebhookBody], Field(description="About it or a group it is in, newest first.")
    ]
    actions: list[Literal["retry", "cancel"]]


class AskedBody(TypedDict):
    """What a worker was asked."""

    name: str
    drain: bool
