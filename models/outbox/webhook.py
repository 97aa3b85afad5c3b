"""Webhooks: a call when a task or a group ends, and its attempts.

To a callback_url goes a POST with what has ended, to a deliver_url a PUT with one of the results.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field
from yarl import URL

from models.outbox.item import DeliveryStatus, OutboxItem
from models.tasks.group import Group
from models.tasks.task import Task


class SubjectKind(StrEnum):
    """What has ended: the first word of a webhook's type."""

    TASK = "task"
    GROUP = "group"


class WebhookAttempt(BaseModel):
    """One call: when, how long it took, and how it ended.

    ``outcome``: see ``OUTCOMES``. ``status``: HTTP status of the response, if any. Nothing else
    of the response is stored: a client must not read a URL's content through Darkroom.
    """

    at: datetime
    ms: float
    outcome: str
    status: int | None = None
    worker: str = ""


OUTCOMES = (
    *("delivered", "http_error", "redirect", "gone", "timeout", "dns", "refused_address"),
    *("tls", "connection", "bad_callback"),
)
"""delivered: 2xx; redirect: 3xx; gone: 410; http_error: any other status."""


class WebhookEvent(OutboxItem):
    """A webhook: tells ``url`` that ``subject`` has ended; its id is the webhook-id.

    It is stored as WAITING when the callback_url arrives, so that no end is missed: ``pending`` is
    the one of ``tasks`` that it waits for now. ``after``: ends up to that time were sent before.
    ``type``, ``body`` and ``happened_at`` are set once, before the first call. ``client`` is a
    pseudonym of the client; ``owner`` is the id of the API key that signs it. ``log``: the newest
    attempts, oldest first. ``result``: number from 0 of the task's result whose bytes are PUT to
    ``url``; None: a callback.
    """

    about: SubjectKind
    subject: str
    name: str | None = None
    tasks: list[str]
    pending: str
    after: datetime | None = None
    url: str
    host: str
    client: str = ""
    owner: str = ""
    type: str | None = None
    body: str | None = None
    happened_at: datetime | None = None
    result: int | None = None
    log: list[WebhookAttempt] = Field(default_factory=list)
    new_attempt: WebhookAttempt | None = Field(None, exclude=True)
    """The attempt that is not stored yet."""

    @property
    def redeliverable(self) -> bool:
        """Whether it can be sent again: it has a body, and no worker is sending it."""
        if self.status is DeliveryStatus.CREATED:
            return self.body is not None and self.lease is None
        return self.body is not None


KEEP_SECONDS = 7 * 24 * 3600.0
"""For so long an ended webhook is shown and can be sent again, and another waits in vain."""
MAX_CALLBACKS = 100
"""Pairs of name and URL that one client may register for one task or group that has not succeeded.

A group of MAX_BATCH names has no more of its own; all are called again when the task restarts.
"""


@dataclass(frozen=True)
class WebhookRequest:
    """A webhook to register; no two that wait have the same ``key``."""

    about: SubjectKind
    subject: str
    name: str | None
    tasks: list[str]
    url: str
    client: str
    owner: str = ""
    result: int | None = None

    @property
    def host(self) -> str:
        return URL(self.url).raw_host or ""

    @property
    def key(self) -> str:
        parts = [self.about, self.subject, self.name or "", self.url]
        parts += [] if self.result is None else [str(self.result)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def task_webhook(task: Task, name: str, url: str, client: str) -> WebhookRequest:
    """Return the webhook for the end of ``task``, which was uploaded as ``name``."""
    return WebhookRequest(SubjectKind.TASK, task.id, name, [task.id], url, client, task.owner)


def delivery(task: Task, name: str, number: int, url: str, client: str) -> WebhookRequest:
    """Return the delivery to ``url`` of the result ``number``, from 0, of ``task``."""
    return replace(task_webhook(task, name, url, client), result=number)


def group_webhook(group: Group, url: str, client: str) -> WebhookRequest:
    """Return the webhook for the end of all tasks of ``group``."""
    return WebhookRequest(
        SubjectKind.GROUP, group.id, None, group.task_ids, url, client, group.owner
    )
