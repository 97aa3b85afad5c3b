"""A task as the ledger keeps it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from models.images.inspect import Format


class Status(StrEnum):
    """CREATED -> STARTED -> SUCCESS | FAILURE | CANCELLED."""

    CREATED = "CREATED"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELLED = "CANCELLED"


ENDED = frozenset({Status.SUCCESS, Status.FAILURE, Status.CANCELLED})
OPEN = frozenset({Status.CREATED, Status.STARTED})
AGAIN = frozenset({Status.FAILURE, Status.CANCELLED})
"""States from which asking for the same task starts it anew; also SUCCESS without its bytes."""


TIMELINE = 40
"""Entries of a task's timeline that are kept, the newest: some ten attempts' worth."""


class What(StrEnum):
    """What happened to a task."""

    CLAIMED = "claimed"
    RELEASED = "released"
    LEASE_EXPIRED = "lease_expired"
    FAILED = "failed"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ASKED_AGAIN = "asked_again"


class _Document(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)


class Upload(_Document):
    """A name under which the task's original was sent, and the names its results have for it."""

    name: str
    results: list[str]


class Gone(_Document):
    """That bytes are no longer kept: since when, and whether their time was up."""

    reason: Literal["expired", "deleted"]
    at: datetime


class Result(_Document):
    """One finished picture; its bytes are the file ``file_id`` of the bucket ``results``.

    ``gone``: they are not any more; the rest is history.
    """

    file_id: ObjectId
    format: Format
    width: int
    height: int
    bytes: int
    sha256: str
    notes: list[str] = []
    gone: Gone | None = None


class Deleted(_Document):
    """A result's name that was deleted. It stays the task's: caches may hold its bytes for ever."""

    name: str
    at: datetime


class Waste(_Document):
    """A file the task let go of; it is deleted after ``until``, when nobody reads it any more."""

    file_id: ObjectId
    until: datetime


class Event(_Document):
    """One change of a task's state: when, which, by which worker, and why, as a code."""

    at: datetime
    what: str  # a newer version may know more
    worker: str | None = None
    cause: str | None = None


class Task(_Document):
    """One task: what was asked of which original, and how far it is.

    ``progress`` is in percent. The lease's ``token`` is what a worker must show to change anything.
    ``owner`` is whose it is, see ``models.auth.visibility``; ``client`` is a pseudonym of who asked first,
    ``turn`` the task's among all that wait, see ``models.store.tasks.fair_queue``; 0: before everybody.
    ``asked_at``: when it was created, or last asked for again after it had failed.
    ``worker`` claimed it last; ``timeline`` has its newest TIMELINE changes, oldest first, and
    ``stages`` the milliseconds of its last run's stages, in their order.
    """

    id: str = Field(alias="_id")
    fingerprint: str
    status: Status
    progress: int = 0
    original_id: ObjectId
    original_sha256: str
    uploads: list[Upload]
    operations: list[dict[str, Any]]
    format: Format
    attempts: int = 0
    rings: int = 0
    lease: dict[str, Any] | None = None
    results: list[Result] = []
    deleted: list[Deleted] = []
    waste: list[Waste] = []
    error: dict[str, Any] | None = None
    owner: str = ""
    client: str = ""
    turn: int = 0
    wants_report: bool = False
    report: dict[str, Any] | None = None
    created_at: datetime
    asked_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    timeline: list[Event] = []
    stages: dict[str, float] | None = None

    def upload(self, name: str | None) -> Upload:
        """Return the upload of that name, or the first."""
        return next((u for u in self.uploads if u.name == name), self.uploads[0])

    def gone(self, name: str, part: int) -> Gone | None:
        """Return why the result ``part`` is not served as ``name``; None if it is."""
        at = next((each.at for each in self.deleted if each.name == name), None)
        if at is not None:
            return Gone(reason="deleted", at=at)
        return self.results[part].gone if part < len(self.results) else None

    def served(self, upload: Upload) -> list[tuple[str, Result]]:
        """Return the names of ``upload`` that are served, each with its result."""
        pairs = zip(upload.results, self.results, strict=False)
        return [(n, r) for part, (n, r) in enumerate(pairs) if self.gone(n, part) is None]

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def again(self) -> bool:
        """Whether asking for the same starts it anew: it failed, or its result is gone."""
        return self.status in AGAIN or self.lost

    @property
    def lost(self) -> bool:
        """Whether it had all its results and has them no more."""
        return any(result.gone for result in self.results)
