"""A letter as the outbox keeps it, and what each kind is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.outbox.item import Parcel


class Kind(StrEnum):
    """What a letter is about; each has its templates in ``workers/mail/letters``."""

    CONFIRM = "confirm"
    GOODBYE = "goodbye"
    NEWSLETTER = "newsletter"
    ARCHIVE = "archive"


@dataclass(frozen=True)
class Draft:
    """What is to be sent; no two letters have the same ``key``."""

    key: str
    kind: Kind
    to: str
    context: dict[str, str]


class Letter(Parcel):
    """One letter.

    ``message_id`` is made once, so that a letter that was sent twice by accident is known as the
    same.
    """

    key: str
    kind: Kind
    to: str
    context: dict[str, str]
    message_id: str


def confirm(subscriber_id: str, to: str) -> Draft:
    return Draft(f"confirm:{subscriber_id}", Kind.CONFIRM, to, {"subscriber_id": subscriber_id})


def goodbye(subscriber_id: str, to: str, confirmed_at: datetime | None) -> Draft:
    """One for each time that somebody was subscribed."""
    since = round(confirmed_at.timestamp() * 1000) if confirmed_at else 0
    context = {"subscriber_id": subscriber_id}
    return Draft(f"goodbye:{subscriber_id}:{since}", Kind.GOODBYE, to, context)


def newsletter(week: str, subscriber_id: str, to: str) -> Draft:
    """One for each subscriber and week."""
    context = {"week": week, "subscriber_id": subscriber_id}
    return Draft(f"newsletter:{week}:{subscriber_id}", Kind.NEWSLETTER, to, context)


def archive(group_id: str, to: str) -> Draft:
    """The results of a group; the same group may be sent to another address as well."""
    receiver = hashlib.sha256(to.encode()).hexdigest()[:16]
    return Draft(f"archive:{group_id}:{receiver}", Kind.ARCHIVE, to, {"group_id": group_id})
