"""TypedDicts of the dashboard API: tasks and their webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from models.outbox.item import DeliveryStatus
from models.outbox.webhook import OUTCOMES
from models.tasks.schemas import Id, Percent, TaskBody, Time
from models.tasks.task import Status
from service.dashboard.schemas import Count


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


class OriginalBody(TypedDict):
    """The picture that was sent."""

    url: str
    bytes: Count


class TaskDetailBody(TaskBody):
    """A task with the details for operators."""

    names: list[str]
    attempts: Count
    client: Annotated[str, Field(description="Pseudonym of the client that uploaded first.")]
    worker: str | None
    lease_until: Time | None
    asked_at: Time | None
    original: Annotated[OriginalBody | None, Field(description="null: it is no longer stored.")]
    timeline: list[TimelineBody]
    stages_ms: dict[str, float] | None
    webhooks: Annotated[
        list[WebhookBody], Field(description="Webhooks of the task and its groups, newest first.")
    ]
    actions: list[Literal["retry", "cancel"]]
