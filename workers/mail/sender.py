"""The sender: takes letters that are due out of the outbox until it is stopped."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from models.auth.tokens import Tokens
from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from workers.mail.context import Desk
from workers.mail.delivery import deliver
from workers.mail.smtp import Post
from workers.outbox import finish

log = structlog.get_logger()

SENDERS = 2  # a worker: one letter with a large archive does not hold up all others
_LAST_LETTER = 5.0  # seconds a stopping sender gives the letter in its hands


async def send(settings: Settings, store: Store) -> None:
    """Send what is due until cancelled; any number of workers may do so at once."""
    if settings.smtp_host:
        log.info("letters_go_to", host=settings.smtp_host, port=settings.smtp_port)
        if settings.smtp_user and settings.smtp_tls == "none":
            log.warning("smtp_password_in_the_clear", hint="set SMTP_TLS to starttls or tls")
    else:
        log.info("letters_go_to_files", folder=str(settings.data_dir / "outbox"))
    stopping = asyncio.Event()
    senders = [
        asyncio.create_task(_keep_sending(settings, store, stopping)) for _ in range(SENDERS)
    ]
    try:
        await asyncio.wait(senders)
    finally:
        # Beside the cancellation, as asyncio.wait_for (in aiosmtplib) may swallow one on 3.11.
        stopping.set()
        for each in senders:
            each.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def _keep_sending(settings: Settings, store: Store, stopping: asyncio.Event) -> None:
    post = Post(settings)
    desk: Desk | None = None
    try:
        while not stopping.is_set():
            sent = False
            try:
                if desk is None:
                    desk = Desk(settings, store, await tokens(settings, store))
                sent = await once(desk, post)
            except StoreUnavailable as error:
                log.warning("sender_waits", **error.document())
            except Exception:
                log.exception("sender_failed")
            if not sent:
                await post.rest()
                await asyncio.sleep(settings.sweep_seconds)
    finally:
        await post.rest()


async def tokens(settings: Settings, store: Store) -> Tokens:
    """Return the maker of links, with SECRET_KEY or the secret that all programs share."""
    return Tokens(settings.secret_key.get_secret_value() or await store.secret.get(), settings)


async def once(desk: Desk, post: Post) -> bool:
    """Take one letter that is due and send it; False if none is due."""
    letter = await desk.store.mail.claim(secrets.token_hex(8), desk.settings.lease_seconds)
    if letter is None:
        return False
    working = asyncio.create_task(deliver(desk, post, letter))
    await finish(working, _LAST_LETTER)
    return True
