"""The sender loop: claims e-mails that are due and delivers them until it is cancelled."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from models.auth.tokens import Tokens
from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from workers.mail.context import MailContext
from workers.mail.delivery import deliver_email
from workers.mail.smtp import SmtpClient
from workers.outbox import await_with_grace

log = structlog.get_logger()

SENDERS_PER_WORKER = 2  # so that an e-mail with a large archive does not hold up all others
_SHUTDOWN_GRACE_SECONDS = 5.0  # for the e-mail that is being sent


async def send_emails(settings: Settings, store: Store) -> None:
    """Send what is due until cancelled; any number of workers may do so at once."""
    if settings.smtp_host:
        log.info("emails_go_to_smtp", host=settings.smtp_host, port=settings.smtp_port)
        if settings.smtp_user and settings.smtp_tls == "none":
            log.warning("smtp_password_unencrypted", hint="set SMTP_TLS to starttls or tls")
    else:
        log.info("emails_go_to_files", folder=str(settings.data_dir / "outbox"))
    stopping = asyncio.Event()
    senders = [
        asyncio.create_task(_keep_sending(settings, store, stopping))
        for _ in range(SENDERS_PER_WORKER)
    ]
    try:
        await asyncio.wait(senders)
    finally:
        # Besides the cancellation: asyncio.wait_for (in aiosmtplib) may swallow one on 3.11.
        stopping.set()
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def _keep_sending(settings: Settings, store: Store, stopping: asyncio.Event) -> None:
    client = SmtpClient(settings)
    context = MailContext(settings, store, Tokens(await store.secret_key.get(), settings))
    try:
        while not stopping.is_set():
            sent = False
            try:
                sent = await send_one(context, client)
            except StoreUnavailable as error:
                log.warning("email_sender_store_unavailable", **error.document())
            except Exception:
                log.exception("email_sender_failed")
            if not sent:
                await client.disconnect()
                await asyncio.sleep(settings.sweep_interval_seconds)
    finally:
        await client.disconnect()


async def send_one(context: MailContext, client: SmtpClient) -> bool:
    """Claim one e-mail that is due and send it; False if none is due."""
    email = await context.store.emails.claim(secrets.token_hex(8), context.settings.lease_seconds)
    if email is None:
        return False
    working = asyncio.create_task(deliver_email(context, client, email))
    await await_with_grace(working, _SHUTDOWN_GRACE_SECONDS)
    return True
