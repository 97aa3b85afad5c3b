"""Deliver one e-mail: build its content, compose the message, hand it to the mail server."""

from __future__ import annotations

import asyncio

from models.outbox.email import GIVE_UP_SECONDS, Email
from models.settings import Settings
from workers.mail.contents import CONTENT_BUILDERS
from workers.mail.context import MailContext
from workers.mail.mime import compose_message
from workers.mail.smtp import SmtpClient
from workers.outbox import Delivery, RetryPolicy, deliver, mark_begun

_RETRY_SECONDS = 30.0  # before the second attempt; gray-listing servers want half a minute or more


async def deliver_email(context: MailContext, client: SmtpClient, email: Email) -> None:
    """Send a claimed e-mail and record how it ended, unless its lease is lost on the way.

    Raises:
        StoreUnavailable: MongoDB was away for longer than ``retry_store`` waits.
    """

    async def send() -> None:
        content = await CONTENT_BUILDERS[email.kind](context, email)
        await mark_begun(delivery)
        attached = await content.attachment.read() if content.attachment else b""
        sender = context.settings.smtp_from
        # In a thread: ten megabytes take half a second to encode.
        message = await asyncio.to_thread(compose_message, email, content, sender, attached)
        await client.send(message)

    delivery = Delivery(
        context.store.emails,
        email,
        retry_policy(context.settings),
        "email",
        log_fields={"kind": email.kind, "message_id": email.message_id},
        # Errors go into logs: without the address.
        mask=lambda text: text.replace(email.to, "<the address>"),
    )
    await deliver(delivery, send)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how long e-mails are tried."""
    return RetryPolicy(
        lease_seconds=settings.lease_seconds,
        keep_seconds=settings.mail_retention_seconds,
        retry_seconds=_RETRY_SECONDS,
        give_up_seconds=GIVE_UP_SECONDS,
    )
