"""The newsletter: once per subscriber and week, whoever runs, dies or comes late."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.outbox.email import Draft, Kind, Letter
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.smtp import (
    Mailbox,
    body,
    finished_task,
    letters,
    link_in,
    mail_server,
    posting,
    send_due,
    until,
)
from workers.mail import newsletter
from workers.mail.newsletter import last_due, publish

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture
def weekly(settings: Settings) -> Settings:
    """Settings whose newsletter was due within the last hour."""
    now = datetime.now(UTC)
    chosen = {"newsletter_weekday": DAYS[now.weekday()], "newsletter_hour": now.hour}
    return settings.model_copy(update=chosen)


async def subscribe(store: Store, count: int, *, confirmed: bool = True, start: int = 0) -> None:
    """Subscribe people, a week ago."""
    for number in range(start, start + count):
        person = await store.subscribers.ask(f"reader{number}@example.org", 3600)
        if confirmed:
            await store.subscribers.confirm(person.id)
    await store.subscribers._subscribers.update_many(
        {"confirmed_at": {"$exists": True}},
        [{"$set": {"confirmed_at": {"$subtract": ["$confirmed_at", 7 * 86400 * 1000]}}}],
    )


def receivers(sent: Sequence[Letter]) -> list[str]:
    return sorted(letter.to for letter in sent)


EVERYBODY = sorted(f"reader{n}@example.org" for n in range(12))


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-16T08:00", "2026-11-16T08:00"),
        ("2026-11-16T07:59", "2026-11-09T08:00"),
        ("2026-11-22T23:59", "2026-11-16T08:00"),
        ("2026-01-01T00:00", "2025-12-29T08:00"),
    ],
)
def test_last_due(settings: Settings, now: str, due: str) -> None:
    monday = settings.model_copy(update={"newsletter_weekday": "mon"})
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_due(monday, at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


async def test_only_those_confirmed_before_it_was_due(weekly: Settings, store: Store) -> None:
    await subscribe(store, 3)
    await subscribe(store, 2, confirmed=False, start=3)
    late = await store.subscribers.ask("late@example.org", 3600)
    await store.subscribers.confirm(late.id)
    left = await store.subscribers.find("reader0@example.org")
    assert left is not None
    await store.subscribers.leave(left.id, 3600)
    assert await publish(weekly, store) == 2
    assert receivers(await letters(store)) == ["reader1@example.org", "reader2@example.org"]
    assert await publish(weekly, store) == 0


async def test_many_at_once(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsletter, "_BATCH", 5)
    await subscribe(store, 12)
    counts = await asyncio.gather(*(publish(weekly, store) for _ in range(8)))
    assert sum(counts) == 12
    assert receivers(await letters(store)) == EVERYBODY


async def test_a_run_that_dies_in_the_middle_is_completed(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsletter, "_BATCH", 5)
    await subscribe(store, 12)
    put_all, batches = store.mail.put_all, []

    async def dying(drafts: Sequence[Draft]) -> int:
        batches.append(len(drafts))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return await put_all(drafts)

    with monkeypatch.context() as patch:
        patch.setattr(store.mail, "put_all", dying)
        with pytest.raises(KeyboardInterrupt):
            await publish(weekly, store)
    assert len(await letters(store)) == 5
    await send_due(weekly, store)  # the first ones are sent already when the rest is added
    # Even days later: what was begun is ended.
    assert await publish(weekly, store, datetime.now(UTC) + timedelta(days=3)) == 7
    assert receivers(await letters(store)) == EVERYBODY
    assert await publish(weekly, store) == 0
    assert batches == [5, 5]


async def test_next_week_again(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    now = datetime.now(UTC)
    assert [await publish(weekly, store, now + timedelta(days=7 * n)) for n in range(3)] == [2] * 3


async def test_more_than_a_day_late_is_left_out(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    due = last_due(weekly, datetime.now(UTC))
    assert await publish(weekly, store, due + timedelta(days=1, seconds=1)) == 0
    assert await publish(weekly, store, due + timedelta(days=1)) == 2


async def test_off(settings: Settings, store: Store) -> None:
    await subscribe(store, 1)
    assert await publish(settings, store) == 0


async def test_what_it_says(weekly: Settings, store: Store) -> None:
    await subscribe(store, 1)
    for number in range(3):
        await finished_task(store, f"{number}.png", b"x")
    await finished_task(store, "up.png", b"x", op="upscale")
    last_week = {"finished_at": datetime.now(UTC) - timedelta(hours=25)}
    await store.tasks._tasks.update_many({}, {"$set": last_week})
    await finished_task(store, "now.png", b"x")  # after it was due: next week's
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = posting(weekly, port, public_url="https://pics.example.org")
        await publish(chosen, store)
        await send_due(chosen, store)
    (message,) = mailbox.messages
    year, week, _ = last_due(weekly, datetime.now(UTC)).isocalendar()
    assert message["Subject"] == f"Darkroom: week {week} of {year}"
    text = body(message)
    assert "In the last seven days 4 tasks were finished:" in text
    assert re.search(r"grayscale +3 pictures", text) and re.search(r"upscale +1 picture\n", text)
    assert "upscale" in text and "<td" in body(message, "html")
    link = "https://pics.example.org" + link_in(message, "/unsubscribe")
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in body(message, "html")
    assert "reader0" not in link


async def test_a_week_without_pictures(weekly: Settings, store: Store) -> None:
    await subscribe(store, 1)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        await publish(weekly, store)
        await send_due(posting(weekly, port), store)
    assert "No pictures were made in the last seven days." in body(mailbox.messages[0])


async def test_who_left_meanwhile_gets_none(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    await publish(weekly, store)
    left = await store.subscribers.find("reader0@example.org")
    assert left is not None
    await store.subscribers.leave(left.id, 3600)
    await send_due(weekly, store)
    status = {letter.to: letter.status for letter in await letters(store)}
    assert status == {
        "reader0@example.org": Mailing.FAILED,
        "reader1@example.org": Mailing.SENT,
    }


async def test_two_real_workers_at_their_start(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find it due; each reader gets one letter."""
    await subscribe(store, 12)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = posting(weekly, port)
        async with working(chosen), working(chosen):

            async def all_sent() -> bool:
                found = await letters(store)
                return len(found) == 12 and {each.status for each in found} == {Mailing.SENT}

            await until(all_sent)
    assert sorted(mailbox.receivers) == EVERYBODY
    assert {letter.kind for letter in await letters(store)} == {Kind.NEWSLETTER}


async def test_a_store_that_is_away_is_asked_again(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.errors import StoreUnavailable
    from workers import worker as running

    calls: list[Any] = []

    async def away(*args: Any) -> int:
        calls.append(args)
        raise StoreUnavailable("away", store="mongodb")

    monkeypatch.setattr(running, "publish", away)
    monkeypatch.setattr(running, "_LOOK", 0.01)
    async with working(weekly):

        async def asked_again() -> bool:
            return len(calls) >= 3

        await until(asked_again)
