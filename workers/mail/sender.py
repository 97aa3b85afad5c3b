"""Send the e-mails of the outbox: build the content, compose the message, hand it over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self

import structlog

from models.auth.tokens import CONFIRM_SECONDS, Purpose, Tokens
from models.outbox.email import GIVE_UP_SECONDS, Email, EmailKind
from models.settings import Settings
from models.store import Store
from workers.mail.archive_email import archive_content
from workers.mail.message import EmailContent, MailContext, compose_message, render
from workers.mail.newsletter import newsletter_content
from workers.mail.smtp import SmtpClient
from workers.outbox import NotReady, PermanentFailure, Sender

log = structlog.get_logger()

CONNECTIONS_PER_WORKER = 2  # so that an e-mail with a large archive does not hold up all others


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


async def send_emails(settings: Settings, store: Store, due: asyncio.Event | None = None) -> None:
    """Send what is due until cancelled; ``due``: see ``Sender``."""
    sender = await EmailSender.open(settings, store)
    sender.due = due or sender.due
    await sender.run()


class EmailSender(Sender[Email]):
    """Sends e-mails over SMTP, or writes them into a folder; a connection stays open while busy."""

    kind = "email"
    retry_seconds = 30.0  # gray-listing servers want half a minute or more
    give_up_seconds = GIVE_UP_SECONDS

    def __init__(self, context: MailContext) -> None:
        super().__init__(
            context.store.emails,
            context.settings.worker,
            concurrency=CONNECTIONS_PER_WORKER,
        )
        self._context = context
        self._free_clients: list[SmtpClient] = []

    @classmethod
    async def open(cls, settings: Settings, store: Store) -> Self:
        if settings.mail.smtp_host:
            log.info(
                "emails_go_to_smtp", host=settings.mail.smtp_host, port=settings.mail.smtp_port
            )
            if settings.mail.smtp_user and settings.mail.smtp_tls == "none":
                log.warning("smtp_password_unencrypted", hint="set SMTP_TLS to starttls or tls")
        else:
            log.info("emails_go_to_files", folder=str(settings.stores.data_dir / "outbox"))
        secret = await store.secret_key.get()
        tokens = Tokens(secret, store.clock.timestamp)
        return cls(MailContext(settings, store, tokens))

    async def send(self, item: Email) -> None:
        content = await CONTENT_BUILDERS[item.kind](self._context, item)
        await self.begin(item)
        attached = await content.attachment.read() if content.attachment else b""
        settings = self._context.settings
        # In a thread: ten megabytes take half a second to encode.
        message = await asyncio.to_thread(
            compose_message, item, content, settings.mail.smtp_from, attached
        )
        client = (
            self._free_clients.pop()
            if self._free_clients
            else SmtpClient(settings.mail, settings.stores.data_dir / "outbox")
        )
        try:
            await client.send(message)
        finally:
            self._free_clients.append(client)

    async def on_idle(self) -> None:
        while self._free_clients:
            await self._free_clients.pop().disconnect()

    def log_fields(self, item: Email) -> dict[str, Any]:
        return {**super().log_fields(item), "kind": item.kind, "message_id": item.message_id}

    def error_text(self, item: Email, error: Exception) -> str:
        return str(error).replace(item.to, "<the address>")
