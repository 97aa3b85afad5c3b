"""What is told to a callback_url: that a task or a group has ended; and how that went."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field
from yarl import URL

from models.outbox.item import Mailing, Parcel
from models.tasks.group import Group
from models.tasks.task import Task


class About(StrEnum):
    """What has ended: the first word of an event's type."""

    TASK = "task"
    GROUP = "group"


class Attempt(BaseModel):
    """One call: when, how long it took, and how it ended.

    ``outcome``: see ``OUTCOMES``; ``status`` of the answer, if one came. Nothing else of an answer
    is kept: whoever names a URL must not learn through us what stands there.
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
"""delivered: 2xx; http_error: any other status but redirect (3xx) and gone (410)."""


class Event(Parcel):
    """That ``subject`` has ended, for ``url``; its id is the webhook-id.

    It is put down WAITING when the callback_url comes, so that no ending can slip by: ``pending``
    is the task it waits for now, of ``tasks``. ``after``: an ending no later than that was told.
    ``type``, ``body`` and ``happened_at`` are made once, before the first call. ``client`` is a
    pseudonym of who asked, ``owner`` the API key's id, by which it is signed. ``log``: the newest
    attempts, oldest first.
    """

    about: About
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
    log: list[Attempt] = Field(default_factory=list)
    made: Attempt | None = Field(None, exclude=True)
    """The attempt that is not in the ledger yet."""

    @property
    def redeliverable(self) -> bool:
        """Whether it can be sent once more: there is something to send, and nobody is at it."""
        if self.status is Mailing.CREATED:
            return self.body is not None and self.lease is None
        return self.body is not None


@dataclass(frozen=True)
class Callback:
    """What is to be told to whom; no two that wait have the same ``key``."""

    about: About
    subject: str
    name: str | None
    tasks: list[str]
    url: str
    client: str
    owner: str = ""

    @property
    def host(self) -> str:
        return URL(self.url).raw_host or ""

    @property
    def key(self) -> str:
        parts = [self.about, self.subject, self.name or "", self.url]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def of_task(task: Task, name: str, url: str, client: str) -> Callback:
    """Return what tells the end of ``task``, which was sent as ``name``."""
    return Callback(About.TASK, task.id, name, [task.id], url, client, task.owner)


def of_group(group: Group, url: str, client: str) -> Callback:
    """Return what tells that all of ``group`` has ended."""
    return Callback(About.GROUP, group.id, None, group.task_ids, url, client, group.owner)
