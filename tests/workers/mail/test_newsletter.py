"""The newsletter: once per subscriber and week, despite concurrency, crashes and delays."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.outbox.email import Email, EmailDraft, EmailKind
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.smtp import (
    Mailbox,
    all_emails,
    body,
    finished_task,
    link_in,
    mail_server,
    send_due,
    smtp_settings,
    wait_until,
)
from workers.mail import newsletter
from workers.mail.newsletter import enqueue_newsletter, last_due

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture
def weekly(settings: Settings) -> Settings:
    """Settings whose newsletter was due within the last hour."""
    now = datetime.now(UTC)
    chosen = {"newsletter_weekday": DAYS[now.weekday()], "newsletter_hour": now.hour}
    return settings.replace(**chosen)


async def subscribe(store: Store, count: int, *, confirmed: bool = True, start: int = 0) -> None:
    """Subscribe people, a week ago."""
    for number in range(start, start + count):
        person = await store.subscribers.get_or_create(f"reader{number}@example.org", 3600)
        if confirmed:
            await store.subscribers.confirm(person.id)
    await store.subscribers._collection.update_many(
        {"confirmed_at": {"$exists": True}},
        [{"$set": {"confirmed_at": {"$subtract": ["$confirmed_at", 7 * 86400 * 1000]}}}],
    )


def addresses(sent: Sequence[Email]) -> list[str]:
    return sorted(email.to for email in sent)


ALL_READERS = sorted(f"reader{n}@example.org" for n in range(12))


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
    monday = settings.replace(newsletter_weekday="mon")
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_due(monday.mail, at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


async def test_only_readers_confirmed_before_it_was_due(weekly: Settings, store: Store) -> None:
    await subscribe(store, 3)
    await subscribe(store, 2, confirmed=False, start=3)
    late = await store.subscribers.get_or_create("late@example.org", 3600)
    await store.subscribers.confirm(late.id)
    left = await store.subscribers.find_by_address("reader0@example.org")
    assert left is not None
    await store.subscribers.unsubscribe(left.id, 3600)
    assert await enqueue_newsletter(weekly.mail, store) == 2
    assert addresses(await all_emails(store)) == ["reader1@example.org", "reader2@example.org"]
    assert await enqueue_newsletter(weekly.mail, store) == 0


async def test_concurrent_enqueues(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsletter, "_BATCH_SIZE", 5)
    await subscribe(store, 12)
    counts = await asyncio.gather(*(enqueue_newsletter(weekly.mail, store) for _ in range(8)))
    assert sum(counts) == 12
    assert addresses(await all_emails(store)) == ALL_READERS


async def test_interrupted_enqueue_is_completed(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsletter, "_BATCH_SIZE", 5)
    await subscribe(store, 12)
    put_all, batches = store.emails.put_all, []

    async def dying(drafts: Sequence[EmailDraft]) -> int:
        batches.append(len(drafts))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return await put_all(drafts)

    with monkeypatch.context() as patch:
        patch.setattr(store.emails, "put_all", dying)
        with pytest.raises(KeyboardInterrupt):
            await enqueue_newsletter(weekly.mail, store)
    assert len(await all_emails(store)) == 5
    await send_due(weekly, store)  # the first ones are sent already when the rest is added
    # Even days later: a begun week is completed.
    assert await enqueue_newsletter(weekly.mail, store, datetime.now(UTC) + timedelta(days=3)) == 7
    assert addresses(await all_emails(store)) == ALL_READERS
    assert await enqueue_newsletter(weekly.mail, store) == 0
    assert batches == [5, 5]


async def test_every_week(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    now = datetime.now(UTC)
    assert [
        await enqueue_newsletter(weekly.mail, store, now + timedelta(days=7 * n)) for n in range(3)
    ] == [2] * 3


async def test_more_than_a_day_late_is_skipped(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    due = last_due(weekly.mail, datetime.now(UTC))
    assert await enqueue_newsletter(weekly.mail, store, due + timedelta(days=1, seconds=1)) == 0
    assert await enqueue_newsletter(weekly.mail, store, due + timedelta(days=1)) == 2


async def test_off(settings: Settings, store: Store) -> None:
    await subscribe(store, 1)
    assert await enqueue_newsletter(settings.mail, store) == 0


async def test_newsletter_content(weekly: Settings, store: Store) -> None:
    await subscribe(store, 1)
    for number in range(3):
        await finished_task(store, f"{number}.png", b"x")
    await finished_task(store, "up.png", b"x", op="upscale")
    last_week = {"finished_at": datetime.now(UTC) - timedelta(hours=25)}
    await store.tasks._tasks.update_many({}, {"$set": last_week})
    await finished_task(store, "now.png", b"x")  # after it was due: next week's
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = smtp_settings(weekly, port, public_url="https://pics.example.org")
        await enqueue_newsletter(chosen.mail, store)
        await send_due(chosen, store)
    (message,) = mailbox.messages
    year, week, _ = last_due(weekly.mail, datetime.now(UTC)).isocalendar()
    assert message["Subject"] == f"Darkroom: week {week} of {year}"
    text = body(message)
    assert "In the last seven days 4 tasks were completed:" in text
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
        await enqueue_newsletter(weekly.mail, store)
        await send_due(smtp_settings(weekly, port), store)
    assert "No pictures were processed in the last seven days." in body(mailbox.messages[0])


async def test_unsubscribed_reader_gets_none(weekly: Settings, store: Store) -> None:
    await subscribe(store, 2)
    await enqueue_newsletter(weekly.mail, store)
    left = await store.subscribers.find_by_address("reader0@example.org")
    assert left is not None
    await store.subscribers.unsubscribe(left.id, 3600)
    await send_due(weekly, store)
    status = {email.to: email.status for email in await all_emails(store)}
    assert status == {
        "reader0@example.org": DeliveryStatus.FAILED,
        "reader1@example.org": DeliveryStatus.SENT,
    }


async def test_two_real_workers_starting_together(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find it due; each reader gets one e-mail."""
    await subscribe(store, 12)
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = smtp_settings(weekly, port)
        async with working(chosen), working(chosen):

            async def all_sent() -> bool:
                found = await all_emails(store)
                return len(found) == 12 and {each.status for each in found} == {DeliveryStatus.SENT}

            await wait_until(all_sent)
    assert sorted(mailbox.recipients) == ALL_READERS
    assert {email.kind for email in await all_emails(store)} == {EmailKind.NEWSLETTER}


async def test_enqueue_is_retried_while_the_store_is_away(
    weekly: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.errors import StoreUnavailable
    from workers import worker as running

    calls: list[Any] = []

    async def away(*args: Any) -> int:
        calls.append(args)
        raise StoreUnavailable("away", store="mongodb")

    monkeypatch.setattr(running, "enqueue_newsletter", away)
    monkeypatch.setattr(running, "_NEWSLETTER_POLL_SECONDS", 0.01)
    async with working(weekly):

        async def asked_again() -> bool:
            return len(calls) >= 3

        await wait_until(asked_again)
