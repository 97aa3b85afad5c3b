"""A task as the ledger keeps it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from models.image import Format


class Status(StrEnum):
    """CREATED -> STARTED -> SUCCESS | FAILURE | CANCELLED."""

    CREATED = "CREATED"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELLED = "CANCELLED"


ENDED = frozenset({Status.SUCCESS, Status.FAILURE, Status.CANCELLED})
AGAIN = frozenset({Status.FAILURE, Status.CANCELLED})
"""States from which asking for the same task starts it anew."""


class _Document(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)


class Upload(_Document):
    """A name under which the task's original was sent, and the names its results have for it."""

    name: str
    results: list[str]


class Result(_Document):
    """One finished picture; its bytes are the file ``file_id`` of the bucket ``results``."""

    file_id: ObjectId
    format: Format
    width: int
    height: int
    bytes: int
    sha256: str
    notes: list[str] = []


class Task(_Document):
    """One task: what was asked of which original, and how far it is.

    ``progress`` is in percent. The lease's ``token`` is what a worker must show to change anything.
    ``asked_at``: when it was created, or last asked for again after it had failed.
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
    error: dict[str, Any] | None = None
    wants_report: bool = False
    report: dict[str, Any] | None = None
    created_at: datetime
    asked_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def upload(self, name: str | None) -> Upload:
        """Return the upload of that name, or the first."""
        return next((u for u in self.uploads if u.name == name), self.uploads[0])

    @property
    def ended(self) -> bool:
        return self.status in ENDED
