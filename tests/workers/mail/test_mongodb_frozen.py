"""E-mails in delivery while MongoDB is frozen: a real mongod, stopped and continued."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.errors import StoreUnavailable
from models.outbox import email as drafts
from models.outbox.email import Email, EmailKind
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from standalone import embedded_stores
from tests.conftest import running
from tests.support.smtp import (
    GatedMailbox,
    Mailbox,
    mail_server,
    only_email,
    send_due,
    smtp_settings,
    wait_until,
)
from workers.mail import sender
from workers.mail.message import EmailContent, MailContext

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")
LEASE = 0.5  # shorter than a frozen store takes to be noticed: twice STORE_TIMEOUT
FROZEN = {"lease_seconds": LEASE, "store_timeout": 0.4, "sweep_interval_seconds": 0.02}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The URL and pid of a mongod that may be frozen."""
    folder = tmp_path_factory.mktemp("breakable")
    with running(embedded_stores.mongo(folder)) as server:
        lock = Path(folder, "mongo", "db", "mongod.lock")
        yield server.url, int(lock.read_text())


@pytest.fixture
async def brittle(
    settings: Settings, breakable: tuple[str, int]
) -> AsyncIterator[tuple[Settings, Store, Store, int]]:
    """Settings and a store on that mongod, a store that waits for it longer, and its pid."""
    url, pid = breakable
    chosen = settings.replace(**{**FROZEN, "mongo_url": url})
    opened = await Store.open(chosen)
    patient = await Store.open(chosen.replace(store_timeout=30))
    yield chosen, opened, patient, pid
    await patient.drop()
    for each in (opened, patient):
        each.close()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        while not _is_stopped(pid):  # its threads stop one by one
            time.sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in threads)


async def outage_noticed(store: Store) -> None:
    """Return when the frozen store has been noticed, which takes longer than LEASE."""
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_outages_longer_than_the_lease_are_no_faults(
    brittle: tuple[Settings, Store, Store, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing a lease because the store was away does not count as a crash."""
    settings, store, patient, pid = brittle
    write = sender.CONTENT_BUILDERS[EmailKind.CONFIRM]
    reading, away, noticed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    outages = 4

    async def build(context: MailContext, email: Email) -> EmailContent:
        if outages:
            reading.set()
            await away.wait()
            await outage_noticed(context.store)
            noticed.set()
            raise StoreUnavailable("away", store="mongodb")
        return await write(context, email)

    monkeypatch.setitem(sender.CONTENT_BUILDERS, EmailKind.CONFIRM, build)
    await patient.emails.put(DRAFT)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        monkeypatch.setattr("workers.outbox._MAX_CRASHES", 2)
        chosen = smtp_settings(settings, port)
        sending = asyncio.create_task(sender.send_emails(chosen, store))
        while outages:
            await reading.wait()
            with frozen(pid):
                away.set()
                await noticed.wait()
            outages -= 1
            for each in (reading, away, noticed):
                each.clear()

        async def ended() -> bool:
            return (await only_email(patient)).status is not DeliveryStatus.CREATED

        await wait_until(ended, 60)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    email = await only_email(patient)
    assert (email.status, email.error, email.faults) == (DeliveryStatus.SENT, None, 0)
    assert {message["Message-ID"] for message in mailbox.messages} == {email.message_id}


async def test_frozen_while_the_mail_server_accepts_it(
    brittle: tuple[Settings, Store, Store, int],
) -> None:
    settings, store, patient, pid = brittle
    await patient.emails.put(DRAFT)
    gate = GatedMailbox()
    with mail_server(gate) as port:
        sending = asyncio.create_task(send_due(smtp_settings(settings, port), store))
        await asyncio.to_thread(gate.arrived.wait, 30)
        with frozen(pid):
            gate.go.set()
            await outage_noticed(store)
        assert await sending == 1
    email = await only_email(patient)
    assert (email.status, email.faults, len(gate.messages)) == (DeliveryStatus.SENT, 0, 1)
