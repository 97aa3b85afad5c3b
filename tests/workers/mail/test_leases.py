"""Leases of e-mails whose workers die, stop, stall or lose their store."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from models.outbox import email as drafts
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.paths import ROOT
from tests.support.smtp import (
    Mailbox,
    mail_server,
    make_due,
    only_email,
    send_due,
    send_one,
    smtp_settings,
    wait_until,
)
from workers import outbox
from workers.mail.sender import EmailSender, send_emails
from workers.mail.smtp import SmtpClient
from workers.store_retry import extend_until_lost

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")


async def test_email_of_a_dead_worker_is_sent_by_another(settings: Settings, store: Store) -> None:
    await store.emails.put(DRAFT)
    held = await store.emails.claim("dead", 60)
    assert held is not None and await store.emails.begin(held)
    assert await store.emails.claim("other", 10) is None
    await make_due(store)  # its lease ends
    assert await send_due(settings, store) == 1
    email = await only_email(store)
    assert (email.status, email.attempts, email.faults) == (DeliveryStatus.SENT, 2, 1)
    assert email.message_id == held.message_id
    # The dead worker comes back: that changes nothing except that its fault is taken back.
    assert not await store.emails.retry(held, 0, "late", fault=False)
    assert not await store.emails.fail(held, "late")
    email = await only_email(store)
    assert (email.status, email.faults) == (DeliveryStatus.SENT, 0)


async def test_death_before_begin_is_not_a_fault(store: Store) -> None:
    await store.emails.put(DRAFT)
    for number in range(3):
        assert await store.emails.claim(f"dead{number}", 0) is not None
        await make_due(store)
    email = await only_email(store)
    assert (email.attempts, email.faults) == (3, 0)


async def test_exception_after_a_lost_lease_counts_one_fault(store: Store) -> None:
    await store.emails.put(DRAFT)
    slow = await store.emails.claim("slow", 0)
    assert slow is not None and await store.emails.begin(slow)
    assert await store.emails.claim("quick", 60) is not None
    assert not await store.emails.retry(slow, 0, "a defect of ours", fault=True)
    assert (await only_email(store)).faults == 1
    for _ in range(2):  # a live holder takes back its own fault, once
        assert not await store.emails.extend(slow, 60)
        assert (await only_email(store)).faults == 0
    assert not await store.emails.begin(slow)


async def test_sent_is_recorded_without_the_lease(store: Store) -> None:
    await store.emails.put(DRAFT)
    slow = await store.emails.claim("slow", 0)
    quick = await store.emails.claim("quick", 60)
    assert slow is not None and quick is not None
    await store.emails.mark_sent(slow)
    assert (await only_email(store)).status is DeliveryStatus.SENT
    assert not await store.emails.fail(quick, "late")


async def test_email_that_kills_its_workers_is_given_up(settings: Settings, store: Store) -> None:
    await store.emails.put(DRAFT)
    for number in range(outbox._MAX_CRASHES):
        held = await store.emails.claim(f"dead{number}", 0)
        assert held is not None and await store.emails.begin(held)
        await make_due(store)
    await send_due(settings, store)
    email = await only_email(store)
    assert (email.status, email.faults) == (DeliveryStatus.FAILED, outbox._MAX_CRASHES)


async def test_sigkill_of_a_sending_worker(settings: Settings, store: Store) -> None:
    """Another process sends its e-mail when the lease expires."""
    await store.emails.put(DRAFT)
    code = (
        "import asyncio, secrets\n"
        "from models.settings import Settings\n"
        "from models.store import Store\n"
        "async def main():\n"
        "    store = await Store.open(Settings())\n"
        "    print((await store.emails.claim('t', 1.5)).id, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    environment = {
        **os.environ,
        "MONGO_URL": settings.stores.mongo_url,
        "MONGO_DB": settings.stores.mongo_db,
    }
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline()
    holder.kill()
    assert await holder.wait() == -signal.SIGKILL
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        async with working(smtp_settings(settings, port)):

            async def sent() -> bool:
                return (await only_email(store)).status is DeliveryStatus.SENT

            await wait_until(sent)
    assert len(mailbox.messages) == 1


async def test_stopped_worker_finishes_or_releases(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_SHUTDOWN_GRACE_SECONDS", 0.1)
    begun = asyncio.Event()

    async def stuck(self: Any, message: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(SmtpClient, "send", stuck)
    await store.emails.put(DRAFT)
    sending = asyncio.create_task(send_emails(settings, store))
    await begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    email = await only_email(store)
    assert (email.status, email.lease, email.faults) == (DeliveryStatus.CREATED, None, 0)


async def test_long_delivery_extends_its_lease(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(self: Any, message: Any) -> None:
        begun.set()
        await go.wait()

    async def extend_often(extend: Any, seconds: float) -> None:
        await extend_until_lost(extend, seconds / 100)

    monkeypatch.setattr(SmtpClient, "send", slow)
    monkeypatch.setattr(outbox, "extend_until_lost", extend_often)
    long = settings.replace(lease_seconds=60)  # it does not end during the test
    await store.emails.put(DRAFT)
    sending = asyncio.create_task(send_one(await EmailSender.open(long, store)))
    await begun.wait()
    first = await only_email(store)

    async def extended() -> bool:
        email = await only_email(store)
        return email.token == first.token and email.due_at > first.due_at

    await wait_until(extended)
    assert await store.emails.claim("other", 10) is None
    go.set()
    await sending
    assert (await only_email(store)).status is DeliveryStatus.SENT


async def test_senders_survive_a_store_outage(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.errors import StoreUnavailable

    mailbox, claim, failures = Mailbox(), store.emails.claim, [1, 2, 3]

    async def away(token: str, seconds: float) -> Any:
        if failures:
            failures.pop()
            raise StoreUnavailable("away", store="mongodb")
        return await claim(token, seconds)

    monkeypatch.setattr(store.emails, "claim", away)
    await store.emails.put(DRAFT)
    with mail_server(mailbox) as port:
        sending = asyncio.create_task(send_emails(smtp_settings(settings, port), store))

        async def sent() -> bool:
            return (await only_email(store)).status is DeliveryStatus.SENT

        await wait_until(sent)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert len(mailbox.messages) == 1 and not failures
