"""Content builders: one for each kind of e-mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from models.auth.tokens import CONFIRM_SECONDS, Purpose
from models.outbox.email import Email, EmailKind
from workers.mail.archive_email import archive_content
from workers.mail.message import EmailContent, MailContext, render
from workers.mail.newsletter import newsletter_content
from workers.outbox import NotReady, PermanentFailure

_MAX_UNSUBSCRIBE_TIME = timedelta(minutes=1)  # far longer than the service takes to unsubscribe


async def confirmation_content(context: MailContext, email: Email) -> EmailContent:
    return _with_link(context, email, "Please confirm the newsletter")


async def goodbye_content(context: MailContext, email: Email) -> EmailContent:
    """Return the last e-mail to a reader.

    It enters the outbox just before the reader is unsubscribed, so that it cannot be lost.

    Raises:
        NotReady: the reader is still subscribed.
        PermanentFailure: still subscribed after a minute, so subscribed again.
    """
    reader = await context.store.subscribers.get(email.context["subscriber_id"])
    if reader is not None and reader.confirmed:
        if await context.store.health.now() - email.created_at > _MAX_UNSUBSCRIBE_TIME:
            raise PermanentFailure("still subscribed, or subscribed again")
        raise NotReady(context.settings.worker.sweep_interval_seconds)
    return _with_link(context, email, "You are unsubscribed")


def _with_link(context: MailContext, email: Email, subject: str) -> EmailContent:
    link = context.link("/subscribe/confirm", Purpose.CONFIRM, email.context["subscriber_id"])
    hours = CONFIRM_SECONDS // 3600
    text, html = render(email.kind, url=context.settings.http.base_url, link=link, hours=hours)
    return EmailContent(subject, text, html)


CONTENT_BUILDERS: dict[EmailKind, Callable[[MailContext, Email], Awaitable[EmailContent]]] = {
    EmailKind.CONFIRM: confirmation_content,
    EmailKind.GOODBYE: goodbye_content,
    EmailKind.NEWSLETTER: newsletter_content,
    EmailKind.ARCHIVE: archive_content,
}
