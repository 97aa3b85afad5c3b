"""Letters that another sender has taken over, and what a holder notes before it begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.outbox import email as drafts
from models.outbox.email import Kind, Letter
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from models.tasks.group import Member
from tests.support.smtp import (
    Gate,
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
from workers.mail import contents, sender
from workers.mail.context import Content, Desk
from workers.mail.smtp import Post
from workers.outbox import NotYet

DRAFT = drafts.confirm("s1", "ann@example.org")


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
    write = contents.AUTHORS[Kind.CONFIRM]

    async def slow(desk: Desk, letter: Letter) -> Content:
        await store.mail.sent(letter, 60)
        return await write(desk, letter)

    monkeypatch.setitem(contents.AUTHORS, Kind.CONFIRM, slow)
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

    monkeypatch.setitem(contents.AUTHORS, Kind.CONFIRM, early)
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
