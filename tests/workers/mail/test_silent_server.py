"""Mail servers that take a connection and then say nothing, or never come to an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosmtplib
import pytest

from models.outbox import email as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.support.smtp import (
    Mailbox,
    mail_server,
    posting,
    send_due,
    the_letter,
    until_due,
)

DRAFT = drafts.confirm("s1", "ann@example.org")
CONVERSATION = [
    b"220 hello\r\n",
    b"250 hello\r\n",
    b"250 from\r\n",
    b"250 to\r\n",
    b"354 go on\r\n",
]


@asynccontextmanager
async def falls_silent(answers: int) -> AsyncIterator[int]:
    """Run a mail server that gives its first answers and then none; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in CONVERSATION[:answers]:
            writer.write(answer)
            await writer.drain()
            if not await reader.readline():
                break
        while await reader.read(65536):  # until the other side hangs up
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("answers", range(len(CONVERSATION) + 1))
async def test_silence_ends_after_smtp_timeout(
    settings: Settings, store: Store, answers: int
) -> None:
    """Wherever it begins, it is the server's trouble, and the letter goes by another."""
    await store.mail.put(DRAFT)
    async with falls_silent(answers) as port:
        await send_due(posting(settings, port, smtp_timeout=0.3, mail_retry=60), store)
    letter = await the_letter(store)
    assert (letter.status, letter.troubles, letter.faults) == (Mailing.CREATED, 1, 0)
    assert letter.error == "no answer of the mail server within 0.3 s (SMTP_TIMEOUT)"
    await until_due(store)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        await send_due(posting(settings, port), store)
    assert len(mailbox.messages) == 1


async def test_a_letter_takes_ten_times_that_at_most(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a conversation goes on whose every answer is in time."""
    asked: list[int] = []

    async def endless(self: aiosmtplib.SMTP, *_: object) -> None:
        while True:
            asked.append((await self.noop()).code)

    monkeypatch.setattr(aiosmtplib.SMTP, "sendmail", endless)
    await store.mail.put(DRAFT)
    with mail_server(Mailbox()) as port:
        await send_due(posting(settings, port, smtp_timeout=0.1, mail_retry=60), store)
    letter = await the_letter(store)
    assert (letter.status, letter.troubles, letter.faults) == (Mailing.CREATED, 1, 0)
    assert letter.error == "the letter took more than 1 s, 10 times SMTP_TIMEOUT"
    assert set(asked) == {250}
