"""E-mails that another sender has taken over, and when a delivery is marked as begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.outbox import email as drafts
from models.outbox.email import Email, EmailKind
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from models.tasks.group import Member
from tests.support.smtp import (
    GatedMailbox,
    Mailbox,
    finished_task,
    group_of,
    mail_server,
    make_due,
    only_email,
    send_due,
    send_one,
    smtp_settings,
    wait_until,
)
from workers.mail import sender
from workers.mail.message import EmailContent, MailContext
from workers.mail.sender import EmailSender
from workers.outbox import NotReady

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")


async def test_sender_stops_when_its_lease_is_lost(settings: Settings, store: Store) -> None:
    """Two senders do not both send an e-mail; the first holder takes its fault back."""
    await store.emails.put(DRAFT)
    gate = GatedMailbox()
    with mail_server(gate) as port:
        chosen = smtp_settings(settings, port, lease_seconds=1)
        slow = asyncio.create_task(send_one(await EmailSender.open(chosen, store)))
        await asyncio.to_thread(gate.arrived.wait, 30)

        taken: list[Email | None] = []

        async def taken_over() -> bool:
            await make_due(store)
            taken.append(await store.emails.claim("other", 60))
            return taken[-1] is not None

        await wait_until(taken_over)
        claimed = taken[-1]
        assert claimed is not None and claimed.faults == 1  # as if its holder had died
        await asyncio.wait_for(slow, 30)  # though the mail server is still silent
        gate.go.set()
    email = await only_email(store)
    assert (email.status, email.token, email.faults) == (DeliveryStatus.CREATED, "other", 0)


async def test_email_sent_by_another_is_not_sent_again(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sender.CONTENT_BUILDERS[EmailKind.CONFIRM]

    async def slow(context: MailContext, email: Email) -> EmailContent:
        await store.emails.mark_sent(email)
        return await write(context, email)

    monkeypatch.setitem(sender.CONTENT_BUILDERS, EmailKind.CONFIRM, slow)
    await store.emails.put(DRAFT)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        assert await send_due(smtp_settings(settings, port), store) == 1
    assert mailbox.received == []


async def test_postpone_is_retried_while_the_store_is_away(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def early(context: MailContext, email: Email) -> EmailContent:
        raise NotReady(60)

    postpone, failures = store.emails.postpone, [1, 2]

    async def away(email: Email, seconds: float) -> bool:
        if failures:
            failures.pop()
            raise StoreUnavailable("away", store="mongodb")
        return await postpone(email, seconds)

    monkeypatch.setitem(sender.CONTENT_BUILDERS, EmailKind.CONFIRM, early)
    monkeypatch.setattr(store.emails, "postpone", away)
    await store.emails.put(DRAFT)
    await send_due(settings, store)
    email = await only_email(store)
    assert (email.lease, email.faults, failures) == (None, 0, [])


async def test_attachment_is_read_after_begin(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is read only after begin, so that a crash meanwhile counts as a fault."""
    read, seen = store.results.read, []

    async def watched(*args: Any) -> AsyncIterator[bytes]:
        seen.append("read")
        async for piece in read(*args):
            yield piece

    async def begin(email: Email) -> bool:
        seen.append("begun")
        return await begun(email)

    begun = store.emails.begin
    monkeypatch.setattr(store.results, "read", watched)
    monkeypatch.setattr(store.emails, "begin", begin)
    task_id = await finished_task(store, "cat.png", b"x" * 100)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    await store.emails.put(drafts.archive_draft(group_id, "ann@example.org"))
    await send_due(settings, store)
    assert (await only_email(store)).status is DeliveryStatus.SENT
    assert seen == ["begun", "read"]
