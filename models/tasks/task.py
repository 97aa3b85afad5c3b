"""The task document of the ledger."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.tasks.needs import Abilities


class Status(StrEnum):
    """CREATED -> STARTED -> SUCCESS | FAILURE | CANCELLED."""

    CREATED = "CREATED"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELLED = "CANCELLED"


ENDED = frozenset({Status.SUCCESS, Status.FAILURE, Status.CANCELLED})
OPEN = frozenset({Status.CREATED, Status.STARTED})
RESTARTABLE = frozenset({Status.FAILURE, Status.CANCELLED})
"""Statuses in which submitting the same task restarts it; so does SUCCESS without its bytes."""


MAX_TIMELINE_ENTRIES = 40
"""A task's timeline keeps this many entries, the newest: about ten attempts."""


class TimelineAction(StrEnum):
    """Kinds of entries in a task's timeline."""

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
    """A name under which the original was uploaded, and the names of its results."""

    name: str
    results: list[str]


class Removal(_Document):
    """Why and when the bytes of a result were removed."""

    reason: Literal["expired", "deleted"]
    at: datetime


class Result(_Document):
    """One finished picture; its bytes are the file ``file_id`` of the bucket ``results``.

    ``gone``: set once the bytes are removed; the other fields stay.
    """

    file_id: ObjectId
    format: OutputFormat
    width: int
    height: int
    bytes: int
    sha256: str
    notes: list[str] = []
    gone: Removal | None = None


class DeletedName(_Document):
    """A deleted name of a result. No other task may reuse it: caches may still hold its bytes."""

    name: str
    at: datetime


class ReleasedFile(_Document):
    """A file that the task no longer uses; it is deleted after ``until``, when downloads ended."""

    file_id: ObjectId
    until: datetime


class TimelineEntry(_Document):
    """One change of a task: time, TimelineAction, worker and, as an error code, the cause."""

    at: datetime
    what: str  # not TimelineAction: a newer version may have more
    worker: str | None = None
    cause: str | None = None


class Work(_Document):
    """The predicted work of a task, see ``models.work_estimate``.

    ``parts``: name and seconds at the reference price of each. ``seconds``: of all of them by what
    was measured here when it was submitted, alone on the machine. ``networks``: whether one runs.
    ``turns``: as how many tasks it counts in the queue. ``short``: whether it may use the child
    that is kept for short tasks.
    """

    parts: list[tuple[str, float]] = []
    seconds: float = 0.0
    networks: bool = False
    turns: int = 1
    short: bool = False


class Task(_Document):
    """One task: an original, the operations on it, and its progress in percent.

    A worker must show the lease's ``token`` to change the task. ``rings`` counts how often it was
    put into the queue. ``owner``: see ``models.auth.visibility``. ``client``: pseudonym of the
    client that submitted it first. ``most_result_bytes``: that all its results cannot exceed, 0 if
    unknown. ``turn``: its place among all waiting tasks, see
    ``models.store.tasks.fair_queue``; 0 comes first. ``metadata``: what its results
    keep of it. ``watermark_id``: the file in ``originals`` that an operation lays over it.
    ``asked_at``: when it was created, or last submitted again after a failure. ``worker`` claimed
    it last. ``timeline``: the newest MAX_TIMELINE_ENTRIES changes, oldest first. ``stages``:
    milliseconds of the stages of its last run, in their order. ``beside``: how many tasks its
    worker had in work when it claimed it, with it.
    """

    id: str = Field(alias="_id")
    fingerprint: str
    status: Status
    progress: int = 0
    original_id: ObjectId
    original_sha256: str
    uploads: list[Upload]
    operations: list[dict[str, Any]]
    format: OutputFormat
    most_result_bytes: int = 0
    work: Work = Work()
    needs: Abilities = Abilities()
    attempts: int = 0
    rings: int = 0
    lease: dict[str, Any] | None = None
    results: list[Result] = []
    deleted: list[DeletedName] = []
    waste: list[ReleasedFile] = []
    error: dict[str, Any] | None = None
    owner: str = ""
    client: str = ""
    turn: int = 0
    wants_report: bool = False
    metadata: MetadataChoice = "none"
    watermark_id: ObjectId | None = None
    report: dict[str, Any] | None = None
    created_at: datetime
    asked_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    beside: int = 1
    timeline: list[TimelineEntry] = []
    stages: dict[str, float] | None = None

    def upload(self, name: str | None) -> Upload:
        """Return the upload called ``name``, else the first."""
        return next((u for u in self.uploads if u.name == name), self.uploads[0])

    def removal(self, name: str, part: int) -> Removal | None:
        """Return why the result number ``part`` is not served as ``name``; None if it is."""
        at = next((deleted.at for deleted in self.deleted if deleted.name == name), None)
        if at is not None:
            return Removal(reason="deleted", at=at)
        return self.results[part].gone if part < len(self.results) else None

    def available_results(self, upload: Upload) -> list[tuple[str, Result]]:
        """Return (name, result) of all results of ``upload`` that are still served."""
        pairs = zip(upload.results, self.results, strict=False)
        return [(n, r) for part, (n, r) in enumerate(pairs) if self.removal(n, part) is None]

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def claimed_at(self) -> datetime | None:
        """When its last run began; ``started_at`` is when its first one did."""
        claimed = TimelineAction.CLAIMED
        claims = (entry.at for entry in reversed(self.timeline) if entry.what == claimed)
        return next(claims, self.started_at)

    @property
    def restartable(self) -> bool:
        """Whether submitting the same restarts it: it failed, or a result was removed."""
        return self.status in RESTARTABLE or self.results_lost

    @property
    def results_lost(self) -> bool:
        """Whether results were stored and removed since."""
        return any(result.gone for result in self.results)
