"""The weekly newsletter: one letter for each subscriber and week, whoever dies on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from models.auth.tokens import Purpose
from models.operations import OPERATIONS
from models.outbox import email as letters
from models.outbox.email import Letter
from models.settings import Settings
from models.store import Store
from models.store.outbox.newsletters import CLOSED
from workers.mail.context import Content, Desk
from workers.mail.templates import render
from workers.outbox import Pointless

log = structlog.get_logger()

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BATCH = 500  # letters put into the outbox at once: bounds memory whatever the number of readers
_LATE = timedelta(days=1)
_WEEK = timedelta(days=7)


def last_due(settings: Settings, now: datetime) -> datetime:
    """Return the latest moment, not after ``now``, at which a newsletter was due."""
    weekday = _DAYS.index(settings.newsletter_weekday)
    moment = now.astimezone(UTC).replace(
        hour=settings.newsletter_hour, minute=0, second=0, microsecond=0
    )
    moment -= timedelta(days=(moment.weekday() - weekday) % 7)
    return moment if moment <= now else moment - _WEEK


async def publish(settings: Settings, store: Store, now: datetime | None = None) -> int:
    """Put this week's letters into the outbox if they are due; return how many were new.

    Any number of workers may do so at once, and each may die at any point: a letter's key makes it
    one, and the week stays open until somebody has come to its end. What is more than a day late
    and was not begun is left out.

    Raises:
        StoreUnavailable: to be tried again.
    """
    if settings.newsletter_weekday == "off":
        return 0
    now = now or datetime.now(UTC)
    due = last_due(settings, now)
    year, number, _ = due.isocalendar()
    week = f"{year}-W{number:02d}"
    known = await store.newsletters.find(week)
    if known is None:
        if now - due > _LATE:
            return 0
        await store.newsletters.open(week, due, await store.newsletters.figures(due - _WEEK, due))
    elif known["status"] == CLOSED:
        return 0
    else:
        due = known["due_at"]  # as it was begun: the settings may have changed since
    count = 0
    async for readers in store.subscribers.confirmed(due, _BATCH):
        count += await store.mail.put_all(
            [letters.newsletter(week, reader.id, reader.address) for reader in readers]
        )
    if await store.newsletters.close(week):
        log.info("newsletter_queued", week=week, letters=count)
    return count


async def newsletter(desk: Desk, letter: Letter) -> Content:
    """Return this reader's letter of a week.

    Raises:
        Pointless: they have unsubscribed meanwhile, or the week is unknown.
    """
    reader = await desk.store.subscribers.get(letter.context["subscriber_id"])
    if reader is None or not reader.confirmed:
        raise Pointless("unsubscribed before it left")
    week = letter.context["week"]
    known = await desk.store.newsletters.find(week)
    if known is None:
        raise Pointless("the week is not in the ledger")
    link = desk.link("/unsubscribe", Purpose.UNSUBSCRIBE, reader.id)
    year, number = week.split("-W")
    said = f"{int(number)} of {year}"
    text, html = render(
        "newsletter",
        url=desk.settings.url,
        week=said,
        known=list(OPERATIONS),
        link=link,
        **known["figures"],
    )
    headers = {
        # RFC 8058: the mail program's own button unsubscribes without opening anything.
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
    }
    return Content(f"Darkroom: week {said}", text, html, headers)
