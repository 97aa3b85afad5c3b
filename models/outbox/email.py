"""E-mails of the outbox, drafts of each kind, and the newsletter's subscribers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from models.outbox.item import OutboxItem

GIVE_UP_SECONDS = 3 * 24 * 3600  # of failures: a mail server may be away for a weekend


class EmailKind(StrEnum):
    """Kinds of e-mail; each has its templates in ``workers/mail/templates``."""

    CONFIRM = "confirm"
    GOODBYE = "goodbye"
    NEWSLETTER = "newsletter"
    ARCHIVE = "archive"


@dataclass(frozen=True)
class EmailDraft:
    """An e-mail to send; ``key`` is unique, so that the same e-mail is never sent twice."""

    key: str
    kind: EmailKind
    to: str
    context: dict[str, str]


class Email(OutboxItem):
    """One e-mail of the outbox.

    ``message_id`` is made once, so that a mail client recognizes an e-mail that was accidentally
    sent twice.
    """

    key: str
    kind: EmailKind
    to: str
    context: dict[str, str]
    message_id: str


def confirmation_draft(subscriber_id: str, to: str) -> EmailDraft:
    context = {"subscriber_id": subscriber_id}
    return EmailDraft(f"confirm:{subscriber_id}", EmailKind.CONFIRM, to, context)


def goodbye_draft(subscriber_id: str, to: str, confirmed_at: datetime | None) -> EmailDraft:
    """Return the e-mail after unsubscribing; there is one for each subscription."""
    since = round(confirmed_at.timestamp() * 1000) if confirmed_at else 0
    context = {"subscriber_id": subscriber_id}
    return EmailDraft(f"goodbye:{subscriber_id}:{since}", EmailKind.GOODBYE, to, context)


def newsletter_draft(week: str, subscriber_id: str, to: str) -> EmailDraft:
    """Return the newsletter; there is one for each subscriber and week."""
    context = {"week": week, "subscriber_id": subscriber_id}
    return EmailDraft(f"newsletter:{week}:{subscriber_id}", EmailKind.NEWSLETTER, to, context)


def archive_draft(group_id: str, to: str) -> EmailDraft:
    """Return the e-mail with a group's results; there is one for each group and address."""
    receiver = hashlib.sha256(to.encode()).hexdigest()[:16]
    return EmailDraft(
        f"archive:{group_id}:{receiver}", EmailKind.ARCHIVE, to, {"group_id": group_id}
    )


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
