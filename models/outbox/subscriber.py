"""A subscriber of the newsletter as the ledger keeps one."""

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
    """``id`` is random: what a link carries tells nothing about who got it."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id")
    address: str
    status: Subscription
    confirmed_at: datetime | None = None

    @property
    def confirmed(self) -> bool:
        return self.status is Subscription.CONFIRMED
