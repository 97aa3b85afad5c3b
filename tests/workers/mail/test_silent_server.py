"""Mail servers that accept a connection and then fall silent, or never end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosmtplib
import pytest

from models.outbox import email as drafts
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.support.smtp import (
    Mailbox,
    mail_server,
    make_due,
    only_email,
    send_due,
    smtp_settings,
)

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")
CONVERSATION = [
    b"220 hello\r\n",
    b"250 hello\r\n",
    b"250 from\r\n",
    b"250 to\r\n",
    b"354 go on\r\n",
]


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second attempt becomes due while the first ends, however slow the machine is."""
    monkeypatch.setattr("workers.mail.sender.EmailSender.retry_seconds", 100)


@asynccontextmanager
async def silent_server(replies: int) -> AsyncIterator[int]:
    """Run a mail server that sends its first replies and then none; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in CONVERSATION[:replies]:
            writer.write(reply)
            await writer.drain()
            if not await reader.readline():
                break
        while await reader.read(65536):  # until the other side hangs up
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("replies", range(len(CONVERSATION) + 1))
async def test_silence_ends_after_a_timeout(
    settings: Settings, store: Store, replies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the silence begins, it is a temporary failure, and the e-mail is sent later."""
    await store.emails.put(DRAFT)
    with monkeypatch.context() as patch:
        patch.setattr("workers.mail.smtp._REPLY_SECONDS", 0.3)
        patch.setattr("workers.mail.smtp._MAX_REPLIES", 1000)
        async with silent_server(replies) as port:
            await send_due(smtp_settings(settings, port), store)
    email = await only_email(store)
    assert (email.status, email.troubles, email.faults) == (DeliveryStatus.CREATED, 1, 0)
    assert email.error == "no reply from the mail server within 0.3 s"
    await make_due(store)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        await send_due(smtp_settings(settings, port), store)
    assert len(mailbox.messages) == 1


async def test_email_takes_at_most_so_many_timeouts(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if every single reply of the conversation is in time."""
    monkeypatch.setattr("workers.mail.smtp._MAX_REPLIES", 1 / 30)  # of the 30 s for each
    asked: list[int] = []

    async def endless(self: aiosmtplib.SMTP, *_: object) -> None:
        while True:
            asked.append((await self.noop()).code)

    monkeypatch.setattr(aiosmtplib.SMTP, "sendmail", endless)
    await store.emails.put(DRAFT)
    with mail_server(Mailbox()) as port:
        await send_due(smtp_settings(settings, port), store)
    email = await only_email(store)
    assert (email.status, email.troubles, email.faults) == (DeliveryStatus.CREATED, 1, 0)
    assert email.error == "the e-mail took more than 1 s"
    assert set(asked) <= {250}  # none where it took that long to connect
