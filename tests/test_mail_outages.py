"""Letters in hand while MongoDB is frozen, or while another sender has taken them over."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from models import letter as drafts
from models.errors import StoreUnavailable
from models.group import Member
from models.letter import Kind, Letter, Mailing
from models.settings import Settings
from models.store import Store
from standalone import stores
from tests.conftest import running
from tests.letters import (
    Mailbox,
    desk_of,
    finished_task,
    group_of,
    mail_server,
    posting,
    send_due,
    the_letter,
    until,
    until_due,
)
from workers.mail import content, sender
from workers.mail.desk import Content, Desk, NotYet
from workers.mail.post import Post

DRAFT = drafts.confirm("s1", "ann@example.org")
LEASE = 0.5  # shorter than a frozen store takes to be noticed: twice STORE_TIMEOUT
FROZEN = {"lease_seconds": LEASE, "store_timeout": 0.4, "sweep_seconds": 0.02}


class Gate(Mailbox):
    """A mailbox that takes a letter in only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.go = threading.Event(), threading.Event()

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.arrived.set()
        await asyncio.to_thread(self.go.wait, 30)
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The URL and process id of a mongod that may be frozen."""
    folder = tmp_path_factory.mktemp("breakable")
    with running(stores.mongo(folder)) as server:
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
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def has_noticed(store: Store) -> None:
    """Return when a frozen store was noticed, which takes longer than LEASE."""
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_outages_longer_than_the_lease_are_no_faults(
    brittle: tuple[Settings, Store, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever loses a letter to another because the store was away did not die of it."""
    settings, store, pid = brittle
    write = content.AUTHORS[Kind.CONFIRM]
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

    monkeypatch.setitem(content.AUTHORS, Kind.CONFIRM, author)
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


async def test_who_loses_the_lease_stops_and_was_not_dead(settings: Settings, store: Store) -> None:
    """A letter that is another's is not posted by both; its first holder takes its fault back."""
    await store.mail.put(DRAFT)
    gate = Gate()
    with mail_server(gate) as port:
        chosen = posting(settings, port, lease_seconds=1)
        slow = asyncio.create_task(sender.once(await desk_of(chosen, store), Post(chosen)))
        await asyncio.to_thread(gate.arrived.wait, 30)

        async def taken_over() -> bool:
            await until_due(store)
            return await store.mail.claim("other", 60) is not None

        await until(taken_over)
        assert (await the_letter(store)).faults == 1  # as if its holder were dead
        await asyncio.wait_for(slow, 30)  # though the mail server is still silent
        gate.go.set()
    letter = await the_letter(store)
    assert (letter.status, letter.token, letter.faults) == (Mailing.CREATED, "other", 0)


async def test_what_another_has_sent_meanwhile_is_not_posted(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = content.AUTHORS[Kind.CONFIRM]

    async def slow(desk: Desk, letter: Letter) -> Content:
        await store.mail.sent(letter, 60)
        return await write(desk, letter)

    monkeypatch.setitem(content.AUTHORS, Kind.CONFIRM, slow)
    await store.mail.put(DRAFT)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        assert await send_due(posting(settings, port), store) == 1
    assert mailbox.seen == []


async def test_a_letter_that_waits_for_its_group_is_given_back_patiently(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def early(desk: Desk, letter: Letter) -> Content:
        raise NotYet(60)

    postpone, failures = store.mail.postpone, [1, 2]

    async def away(letter: Letter, seconds: float) -> bool:
        if failures:
            failures.pop()
            raise StoreUnavailable("away", store="mongodb")
        return await postpone(letter, seconds)

    monkeypatch.setitem(content.AUTHORS, Kind.CONFIRM, early)
    monkeypatch.setattr(store.mail, "postpone", away)
    await store.mail.put(DRAFT)
    await send_due(settings, store)
    letter = await the_letter(store)
    assert (letter.lease, letter.faults, failures) == (None, 0, [])


async def test_whoever_dies_attaching_had_begun(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of an archive are read only once a silent holder counts as a dead one."""
    read, seen = store.results.read, []

    async def watched(*args: Any) -> AsyncIterator[bytes]:
        seen.append("read")
        async for piece in read(*args):
            yield piece

    async def begin(letter: Letter) -> bool:
        seen.append("begun")
        return await begun(letter)

    begun = store.mail.begin
    monkeypatch.setattr(store.results, "read", watched)
    monkeypatch.setattr(store.mail, "begin", begin)
    task_id = await finished_task(store, "cat.png", b"x" * 100)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    await store.mail.put(drafts.archive(group_id, "ann@example.org"))
    await send_due(settings, store)
    assert (await the_letter(store)).status is Mailing.SENT
    assert seen == ["begun", "read"]
