"""The document of a newsletter's subscriber."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Subscription(StrEnum):
    """PENDING -> CONFIRMED <-> UNSUBSCRIBED."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    UNSUBSCRIBED = "UNSUBSCRIBED"


class Subscriber(BaseModel):
    """A subscriber; ``id`` is random, so that links reveal nothing about their receiver."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id")
    address: str
    status: Subscription
    confirmed_at: datetime | None = None

    @property
    def confirmed(self) -> bool:
        return self.status is Subscription.CONFIRMED
