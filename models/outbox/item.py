"""What waits in an outbox: a letter, or an event for somebody's callback_url."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Mailing(StrEnum):
    """WAITING -> CREATED -> SENT | FAILED; letters begin CREATED."""

    WAITING = "WAITING"
    CREATED = "CREATED"
    SENT = "SENT"
    FAILED = "FAILED"


class Parcel(BaseModel):
    """One thing to be sent.

    ``attempts`` counts claims, ``troubles`` those that ended with trouble, ``faults`` those that a
    worker died or stumbled over; a store that was away is neither.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id")
    status: Mailing
    attempts: int = 0
    troubles: int = 0
    faults: int = 0
    due_at: datetime
    lease: dict[str, Any] | None = None
    created_at: datetime
    claimed_at: datetime | None = None
    troubled_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None

    @property
    def token(self) -> str:
        """What its holder shows to change it."""
        return str(self.lease["token"]) if self.lease else ""

    @property
    def trouble(self) -> timedelta:
        """How long the receiver's trouble with it had lasted when it was claimed."""
        if self.claimed_at is None or self.troubled_at is None:
            return timedelta()
        return self.claimed_at - self.troubled_at


NEW: dict[str, Any] = {
    "status": Mailing.CREATED,
    "attempts": 0,
    "troubles": 0,
    "faults": 0,
    "missed": [],
    "lease": None,
    "claimed_at": None,
    "troubled_at": None,
    "ended_at": None,
    "error": None,
}
"""Of a document that is put into an outbox."""
