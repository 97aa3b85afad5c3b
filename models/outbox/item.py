"""Items of an outbox: an e-mail or a webhook that waits for its delivery."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class DeliveryStatus(StrEnum):
    """WAITING -> CREATED -> SENT | FAILED; e-mails begin as CREATED."""

    WAITING = "WAITING"
    CREATED = "CREATED"
    SENT = "SENT"
    FAILED = "FAILED"


class OutboxItem(BaseModel):
    """One item to deliver.

    ``attempts`` counts claims; ``troubles`` counts failures of the receiver; ``faults`` counts
    claims that ended because the worker died or raised an unexpected error. A store that does not
    answer counts as neither.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id")
    status: DeliveryStatus
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
    delivered: bool = Field(False, exclude=True)
    """Whether its receiver has taken it, which is not stored yet."""

    @property
    def token(self) -> str:
        """Token of its lease, which a worker must show to change it; "" without a lease."""
        return str(self.lease["token"]) if self.lease else ""

    @property
    def failing_for(self) -> timedelta:
        """How long its deliveries had been failing when it was last claimed."""
        if self.claimed_at is None or self.troubled_at is None:
            return timedelta()
        return self.claimed_at - self.troubled_at


NEW_ITEM: dict[str, Any] = {
    "status": DeliveryStatus.CREATED,
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
"""Fields of a document that is added to an outbox."""
