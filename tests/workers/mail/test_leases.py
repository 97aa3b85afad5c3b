"""Letters in the hands of workers that die, stop, stall or lose their store."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from models.outbox import email as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.paths import ROOT
from tests.support.smtp import (
    Mailbox,
    desk_of,
    mail_server,
    posting,
    send_due,
    the_letter,
    until,
    until_due,
)
from workers.mail.sender import once
from workers.mail.smtp import Post

DRAFT = drafts.confirm("s1", "ann@example.org")


async def test_the_letter_of_a_dead_worker_goes_to_another(
    settings: Settings, store: Store
) -> None:
    await store.mail.put(DRAFT)
    held = await store.mail.claim("dead", 0.2)
    assert held is not None and await store.mail.begin(held)
    assert await store.mail.claim("other", 10) is None

    async def free() -> bool:
        return bool(await send_due(settings, store))

    await until(free)
    letter = await the_letter(store)
    assert (letter.status, letter.attempts, letter.faults) == (Mailing.SENT, 2, 1)
    assert letter.message_id == held.message_id
    # The dead one comes back to life: it changes nothing but that it was no fault.
    assert not await store.mail.retry(held, 0, "late", fault=False)
    assert not await store.mail.fail(held, "late", 60)
    letter = await the_letter(store)
    assert (letter.status, letter.faults) == (Mailing.SENT, 0)


async def test_who_died_before_it_began_is_no_fault_of_the_letter(store: Store) -> None:
    await store.mail.put(DRAFT)
    for number in range(3):
        assert await store.mail.claim(f"dead{number}", 0) is not None
        await until_due(store)
    letter = await the_letter(store)
    assert (letter.attempts, letter.faults) == (3, 0)


async def test_one_stumble_is_one_fault_though_the_lease_was_lost_too(store: Store) -> None:
    await store.mail.put(DRAFT)
    slow = await store.mail.claim("slow", 0)
    assert slow is not None and await store.mail.begin(slow)
    assert await store.mail.claim("quick", 60) is not None
    assert not await store.mail.retry(slow, 0, "a defect of ours", fault=True)
    assert (await the_letter(store)).faults == 1
    for _ in range(2):  # a live holder takes back its own fault, and once
        assert not await store.mail.extend(slow, 60)
        assert (await the_letter(store)).faults == 0
    assert not await store.mail.begin(slow)


async def test_what_was_sent_counts_as_sent_though_the_lease_is_anothers(store: Store) -> None:
    await store.mail.put(DRAFT)
    slow = await store.mail.claim("slow", 0)
    quick = await store.mail.claim("quick", 60)
    assert slow is not None and quick is not None
    await store.mail.sent(slow, 60)
    assert (await the_letter(store)).status is Mailing.SENT
    assert not await store.mail.fail(quick, "late", 60)


async def test_a_letter_that_kills_its_workers_is_given_up(
    settings: Settings, store: Store
) -> None:
    await store.mail.put(DRAFT)
    for number in range(settings.mail_attempts):
        held = await store.mail.claim(f"dead{number}", 0)
        assert held is not None and await store.mail.begin(held)
        await until_due(store)
    await send_due(settings, store)
    letter = await the_letter(store)
    assert (letter.status, letter.faults) == (Mailing.FAILED, settings.mail_attempts)


async def test_kill_9_of_a_worker_that_sends(settings: Settings, store: Store) -> None:
    """Its letter is sent by another process as soon as the lease is over."""
    await store.mail.put(DRAFT)
    code = (
        "import asyncio, secrets\n"
        "from models.settings import Settings\n"
        "from models.store import Store\n"
        "async def main():\n"
        "    store = await Store.open(Settings())\n"
        "    print((await store.mail.claim('t', 1.5)).id, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "MONGO_URL": settings.mongo_url, "MONGO_DB": settings.mongo_db}
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline()
    holder.kill()
    assert await holder.wait() == -signal.SIGKILL
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        async with working(posting(settings, port)):

            async def sent() -> bool:
                return (await the_letter(store)).status is Mailing.SENT

            await until(sent)
    assert len(mailbox.messages) == 1


async def test_a_stopped_worker_finishes_or_hands_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.mail import sender

    monkeypatch.setattr(sender, "_LAST_LETTER", 0.1)
    begun = asyncio.Event()

    async def stuck(self: Any, message: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Post, "send", stuck)
    await store.mail.put(DRAFT)
    sending = asyncio.create_task(once(await desk_of(settings, store), Post(settings)))
    await begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    letter = await the_letter(store)
    assert (letter.status, letter.lease, letter.faults) == (Mailing.CREATED, None, 0)


async def test_a_long_letter_keeps_its_lease(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(self: Any, message: Any) -> None:
        begun.set()
        await go.wait()

    monkeypatch.setattr(Post, "send", slow)
    quick = settings.model_copy(update={"lease_seconds": 0.6})
    await store.mail.put(DRAFT)
    sending = asyncio.create_task(once(await desk_of(quick, store), Post(quick)))
    await begun.wait()
    first = await the_letter(store)
    assert first.lease is not None

    async def extended() -> bool:
        lease = (await the_letter(store)).lease
        assert lease is not None and first.lease is not None
        return bool(lease["until"] > first.lease["until"])

    await until(extended)
    assert await store.mail.claim("other", 10) is None
    go.set()
    await sending
    assert (await the_letter(store)).status is Mailing.SENT


async def test_the_senders_survive_a_store_that_is_away(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.errors import StoreUnavailable

    mailbox, claim, failures = Mailbox(), store.mail.claim, [1, 2, 3]

    async def away(token: str, seconds: float) -> Any:
        if failures:
            failures.pop()
            raise StoreUnavailable("away", store="mongodb")
        return await claim(token, seconds)

    from workers.mail.sender import send

    monkeypatch.setattr(store.mail, "claim", away)
    await store.mail.put(DRAFT)
    with mail_server(mailbox) as port:
        sending = asyncio.create_task(send(posting(settings, port), store))

        async def sent() -> bool:
            return (await the_letter(store)).status is Mailing.SENT

        await until(sent)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert len(mailbox.messages) == 1 and not failures
