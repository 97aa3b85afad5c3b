"""What each kind of letter says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from models.auth.tokens import Purpose
from models.outbox.email import Kind, Letter
from workers.mail.archive_email import archive
from workers.mail.context import Content, Desk
from workers.mail.newsletter import newsletter
from workers.mail.templates import render
from workers.outbox import NotYet, Pointless

_MOMENT = timedelta(minutes=1)  # longer than the service takes to unsubscribe somebody


async def confirm(desk: Desk, letter: Letter) -> Content:
    return _with_link(desk, letter, "Please confirm the newsletter")


async def goodbye(desk: Desk, letter: Letter) -> Content:
    """Return the last letter.

    It is put into the outbox just before its reader is unsubscribed, so that it cannot be lost.

    Raises:
        NotYet, Pointless: they are still subscribed, or again.
    """
    reader = await desk.store.subscribers.get(letter.context["subscriber_id"])
    if reader is not None and reader.confirmed:
        if datetime.now(UTC) - letter.created_at > _MOMENT:
            raise Pointless("still subscribed, or again")
        raise NotYet(desk.settings.sweep_seconds)
    return _with_link(desk, letter, "You are unsubscribed")


def _with_link(desk: Desk, letter: Letter, subject: str) -> Content:
    link = desk.link("/subscribe/confirm", Purpose.CONFIRM, letter.context["subscriber_id"])
    hours = max(1, desk.settings.confirm_ttl // 3600)
    text, html = render(letter.kind, url=desk.settings.url, link=link, hours=hours)
    return Content(subject, text, html)


AUTHORS: dict[Kind, Callable[[Desk, Letter], Awaitable[Content]]] = {
    Kind.CONFIRM: confirm,
    Kind.GOODBYE: goodbye,
    Kind.NEWSLETTER: newsletter,
    Kind.ARCHIVE: archive,
}
