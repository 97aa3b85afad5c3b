"""Letters in hand while MongoDB is frozen: a real one, stopped and continued."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.outbox import email as drafts
from models.outbox.email import Kind, Letter
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from standalone import embedded_stores
from tests.conftest import running
from tests.support.smtp import (
    Gate,
    Mailbox,
    mail_server,
    posting,
    send_due,
    the_letter,
    until,
)
from workers.mail import contents, sender
from workers.mail.context import Content, Desk

DRAFT = drafts.confirm("s1", "ann@example.org")
LEASE = 0.5  # shorter than a frozen store takes to be noticed: twice STORE_TIMEOUT
FROZEN = {"lease_seconds": LEASE, "store_timeout": 0.4, "sweep_seconds": 0.02}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The URL and process id of a mongod that may be frozen."""
    folder = tmp_path_factory.mktemp("breakable")
    with running(embedded_stores.mongo(folder)) as server:
        lock = Path(folder, "mongo", "db", "mongod.lock")
        yield server.url, int(lock.read_text())


@pytest.fixture
async def brittle(
    settings: Settings, breakable: tuple[str, int]
) -> AsyncIterator[tuple[Settings, Store, int]]:
    """Settings and a store on that mongod, and its process id."""
    url, pid = breakable
    chosen = settings.model_copy(update={**FROZEN, "mongo_url": url})
    opened = await Store.open(chosen)
    yield chosen, opened, pid
    await opened.drop()
    opened.close()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        while not _stands_still(pid):  # its threads stop one by one
            time.sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in threads)


async def has_noticed(store: Store) -> None:
    """Return when a frozen store was noticed, which takes longer than LEASE."""
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_outages_longer_than_the_lease_are_no_faults(
    brittle: tuple[Settings, Store, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever loses a letter to another because the store was away did not die of it."""
    settings, store, pid = brittle
    write = contents.AUTHORS[Kind.CONFIRM]
    reading, away, noticed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    outages = 4

    async def author(desk: Desk, letter: Letter) -> Content:
        if outages:
            reading.set()
            await away.wait()
            await has_noticed(desk.store)
            noticed.set()
            raise StoreUnavailable("away", store="mongodb")
        return await write(desk, letter)

    monkeypatch.setitem(contents.AUTHORS, Kind.CONFIRM, author)
    await store.mail.put(DRAFT)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = posting(settings, port, mail_attempts=2)
        sending = asyncio.create_task(sender.send(chosen, store))
        while outages:
            await reading.wait()
            with frozen(pid):
                away.set()
                await noticed.wait()
            outages -= 1
            for each in (reading, away, noticed):
                each.clear()

        async def ended() -> bool:
            return (await the_letter(store)).status is not Mailing.CREATED

        await until(ended, 60)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    letter = await the_letter(store)
    assert (letter.status, letter.error, letter.faults) == (Mailing.SENT, None, 0)
    assert {message["Message-ID"] for message in mailbox.messages} == {letter.message_id}


async def test_frozen_while_the_mail_server_takes_it_in(
    brittle: tuple[Settings, Store, int],
) -> None:
    settings, store, pid = brittle
    await store.mail.put(DRAFT)
    gate = Gate()
    with mail_server(gate) as port:
        sending = asyncio.create_task(send_due(posting(settings, port), store))
        await asyncio.to_thread(gate.arrived.wait, 30)
        with frozen(pid):
            gate.go.set()
            await has_noticed(store)
        assert await sending == 1
    letter = await the_letter(store)
    assert (letter.status, letter.faults, len(gate.messages)) == (Mailing.SENT, 0, 1)


async def test_frozen_while_a_letter_is_counted(
    brittle: tuple[Settings, Store, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that is left open stands in nobody's way afterwards."""
    _, store, pid = brittle
    hit = store.quotas.hit

    async def freezing(*args: Any, **more: Any) -> int:
        with frozen(pid):
            return await hit(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store.quotas, "hit", freezing)
        with pytest.raises(StoreUnavailable):
            await store.postage.put(DRAFT, "ann", 1, again=0)
    await until(lambda: answers(store))
    assert await store.mail.find(DRAFT.key) is None
    assert await store.postage.put(DRAFT, "ann", 1, again=0) == (True, 0)
    queued, wait = await store.postage.put(drafts.archive("g", "a"), "ann", 1, again=0)
    assert (queued, wait > 0) == (False, True)


async def answers(store: Store) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True
