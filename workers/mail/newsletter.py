"""The weekly newsletter: exactly one e-mail for each subscriber and week, despite crashes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from models.auth.tokens import Purpose
from models.operations import OPERATIONS
from models.outbox.email import Email, newsletter_draft
from models.settings.mail import MailSettings
from models.store import Store
from models.store.outbox.subscribers import CLOSED
from workers.mail.message import EmailContent, MailContext, render
from workers.outbox import PermanentFailure

log = structlog.get_logger()

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BATCH_SIZE = 500  # e-mails put into the outbox at once: bounds memory for any number of readers
_MAX_DELAY = timedelta(days=1)
_WEEK = timedelta(days=7)


def last_due(settings: MailSettings, now: datetime) -> datetime:
    """Return the latest time, not after ``now``, at which a newsletter was due."""
    weekday = _WEEKDAYS.index(settings.newsletter_weekday)
    due = now.astimezone(UTC).replace(
        hour=settings.newsletter_hour, minute=0, second=0, microsecond=0
    )
    due -= timedelta(days=(due.weekday() - weekday) % 7)
    return due if due <= now else due - _WEEK


async def enqueue_newsletter(
    settings: MailSettings, store: Store, now: datetime | None = None
) -> int:
    """Put this week's e-mails into the outbox if they are due; return how many were new.

    Any number of workers may do so at once, and each may die at any point: the e-mail's key makes
    it unique, and the week stays open until one worker has finished it. A week that is more than a
    day late and was not begun is skipped.

    Raises:
        StoreUnavailable: try again later.
    """
    if settings.newsletter_weekday == "off":
        return 0
    now = now or await store.health.now()
    due = last_due(settings, now)
    year, number, _ = due.isocalendar()
    week = f"{year}-W{number:02d}"
    known = await store.newsletters.find(week)
    if known is None:
        if now - due > _MAX_DELAY:
            return 0
        await store.newsletters.open(week, due, await store.newsletters.figures(due - _WEEK, due))
    elif known["status"] == CLOSED:
        return 0
    else:
        due = known["due_at"]  # as it was begun: the settings may have changed since
    count = 0
    async for readers in store.subscribers.confirmed_batches(due, _BATCH_SIZE):
        count += await store.emails.put_all(
            [newsletter_draft(week, reader.id, reader.address) for reader in readers]
        )
    if await store.newsletters.close(week):
        log.info("newsletter_enqueued", week=week, emails=count)
    return count


async def newsletter_content(context: MailContext, email: Email) -> EmailContent:
    """Return this reader's e-mail of a week.

    Raises:
        PermanentFailure: the reader has unsubscribed since, or the week is unknown.
    """
    reader = await context.store.subscribers.get(email.context["subscriber_id"])
    if reader is None or not reader.confirmed:
        raise PermanentFailure("unsubscribed before it was sent")
    week = email.context["week"]
    known = await context.store.newsletters.find(week)
    if known is None:
        raise PermanentFailure(f"no newsletter {week} is stored")
    link = context.link("/unsubscribe", Purpose.UNSUBSCRIBE, reader.id)
    year, number = week.split("-W")
    week_text = f"{int(number)} of {year}"
    text, html = render(
        "newsletter",
        url=context.settings.http.base_url,
        week=week_text,
        known=list(OPERATIONS),
        link=link,
        **known["figures"],
    )
    headers = {
        # RFC 8058: the mail program's own button unsubscribes without opening a page.
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
    }
    return EmailContent(f"Darkroom: week {week_text}", text, html, headers)
