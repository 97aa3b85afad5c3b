"""Webhook deliveries: retries, giving up, leases and concurrency limits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from models.outbox import webhook as drafts
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.support.smtp import fail_task, unfinished_task, wait_until
from tests.support.webhook_receiver import (
    all_webhooks,
    deliver_due,
    only_webhook,
    outcomes,
    run_receiver,
    update_webhooks,
    webhook_sender,
    webhook_settings,
    worker_context,
)
from workers import outbox
from workers.webhooks.sender import send_webhooks


async def put(store: Store, url: str, *, client: str = "c", ended: bool = True) -> str:
    """Create a task with a webhook to ``url``; return the task's id."""
    task_id = await unfinished_task(store, "cat.png")
    if ended:
        await fail_task(store, task_id, "broken")
    task = await store.tasks.get(task_id)
    assert task is not None
    await store.webhooks.put(drafts.task_webhook(task, "cat.png", url, client))
    return task_id


async def make_due(store: Store) -> None:
    await update_webhooks(store, {"due_at": datetime(2020, 1, 1, tzinfo=UTC)})


async def test_retries_have_the_same_id_and_body(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        task_id = await put(store, receiver.url)
        receiver.responses = [
            web.Response(status=500),
            web.Response(status=404),
            web.Response(status=302),
        ]
        for _ in range(4):
            await deliver_due(chosen, store)
            await make_due(store)
            await store.tasks.restart(task_id)  # even if the task changes meanwhile
        webhook = await only_webhook(store)
        assert (webhook.status, webhook.troubles, webhook.error) == (DeliveryStatus.SENT, 3, None)
        assert outcomes(webhook) == ["http_error", "http_error", "redirect", "delivered"]
        assert [each.status for each in webhook.log] == [500, 404, 302, 200]
        assert len(set(receiver.ids)) == 1
        assert len({body for _, body in receiver.calls}) == 1


async def test_retry_pauses_grow_and_retry_after_is_respected(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.webhooks.sender.WebhookSender.retry_seconds", 10)
    monkeypatch.setattr("workers.outbox.MAX_RETRY_SECONDS", 500)
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        await put(store, receiver.url)
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
        retry_after_headers = [None, None, "120", date, "99999999", "soon", "-5", "nan"]
        pauses = []
        for retry_after in retry_after_headers:
            headers = {"Retry-After": retry_after} if retry_after else {}
            receiver.responses = [web.Response(status=429, headers=headers)]
            await make_due(store)
            await deliver_due(chosen, store)
            document = await store.webhooks._collection.find_one()
            assert document is not None and document["status"] == DeliveryStatus.CREATED
            pauses.append((document["due_at"] - document["claimed_at"]).total_seconds())
        assert 8 <= pauses[0] <= 42 and 16 <= pauses[1] <= 54  # slack for a slow machine
        assert 120 <= pauses[2] <= 160
        assert 200 <= pauses[3] <= 340
        assert 500 <= pauses[4] <= 540  # as long as any pause
        assert all(pause >= 256 for pause in pauses[5:])  # doubled five times and more


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (web.Response(status=410), "gone", DeliveryStatus.FAILED),
        (None, "refused_address", DeliveryStatus.FAILED),
    ],
)
async def test_final_outcomes_are_not_retried(
    answer: web.Response | None,
    outcome: str,
    status: DeliveryStatus,
    settings: Settings,
    store: Store,
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        url = receiver.url
        if answer is None:
            chosen = webhook_settings(settings, receiver, webhook_allowed_networks="")
            url = url.replace("127.0.0.1", "localhost")
        else:
            receiver.responses = [answer]
        await put(store, url)
        await deliver_due(chosen, store)
        webhook = await only_webhook(store)
        if answer is None:  # checked again before the call, with the current settings
            outcome = "bad_callback"
        assert (webhook.status, outcomes(webhook)) == (status, [outcome])
        assert webhook.error
        assert len(receiver.calls) == (answer is not None)


async def test_given_up_after_a_day(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        await put(store, receiver.url)
        receiver.responses = [web.Response(status=500), web.Response(status=500)]
        await deliver_due(chosen, store)
        long_ago = datetime.now(UTC) - timedelta(days=1, seconds=10)
        await update_webhooks(store, {"troubled_at": long_ago})
        await make_due(store)
        await deliver_due(chosen, store)
        webhook = await only_webhook(store)
        assert (webhook.status, len(webhook.log)) == (DeliveryStatus.FAILED, 2)
        assert webhook.error == "the receiver answered 500 (given up after 86400 s of failures)"
        document = await store.webhooks._collection.find_one()
        assert document is not None
        kept = document["expires_at"] - document["ended_at"]
        assert kept.total_seconds() == store.webhooks.keep_seconds


async def test_webhook_of_a_dead_sender_is_sent_by_another(
    settings: Settings, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        await put(store, receiver.url)
        held = await store.webhooks.claim("dead", 0)
        assert held is not None and await store.webhooks.begin(held)
        await deliver_due(chosen, store)
        webhook = await only_webhook(store)
        assert (webhook.status, webhook.faults, webhook.attempts) == (DeliveryStatus.SENT, 1, 2)
        assert not await store.webhooks.fail(held, "late")
        assert receiver.ids == [webhook.id]


async def test_webhook_that_kills_its_senders_is_given_up(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        await put(store, receiver.url)
        for number in range(outbox._MAX_CRASHES):
            held = await store.webhooks.claim(f"dead{number}", 0)
            assert held is not None and await store.webhooks.begin(held)
        await deliver_due(chosen, store)
        webhook = await only_webhook(store)
        assert (webhook.status, receiver.calls) == (DeliveryStatus.FAILED, [])
        assert "crashed 5 times" in str(webhook.error)


async def test_stopped_sender_releases(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        receiver.hold = asyncio.Event()
        await put(store, receiver.url)
        async with webhook_sender(webhook_settings(settings, receiver), store) as sender:
            webhook = await sender.claim()
            assert webhook is not None
            delivering = asyncio.create_task(sender.deliver(webhook))
            await asyncio.wait_for(receiver.called.wait(), 30)
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
        webhook = await only_webhook(store)
        assert (webhook.status, webhook.lease, webhook.faults) == (DeliveryStatus.CREATED, None, 0)
        receiver.hold.set()
        assert await deliver_due(webhook_settings(settings, receiver), store) == 1
        assert len(set(receiver.ids)) == 1


def start_sender(settings: Settings, store: Store) -> asyncio.Task[None]:
    return asyncio.create_task(send_webhooks(worker_context(settings, store)))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_slow_host_does_not_block_others(settings: Settings, store: Store) -> None:
    """At most an eighth of WEBHOOK_CONCURRENCY waits for it; others are delivered meanwhile."""
    async with run_receiver() as slow, run_receiver(host="127.0.0.2") as quick:
        slow.hold = asyncio.Event()
        chosen = webhook_settings(
            settings,
            slow,
            quick,
            webhook_concurrency=16,
            webhook_timeout=60,
        )
        for _ in range(8):
            await put(store, slow.url)
        for _ in range(6):
            await put(store, quick.url.replace("127.0.0.1", "127.0.0.2"))
        running = start_sender(chosen, store)

        async def delivered() -> bool:
            return len(quick.calls) == 6 and slow.concurrent == 2

        await wait_until(delivered, 60)
        assert slow.max_concurrent == 2
        slow.hold.set()

        async def all_delivered() -> bool:
            return {e.status for e in await all_webhooks(store)} == {DeliveryStatus.SENT}

        await wait_until(all_delivered, 60)
        assert (slow.max_concurrent, len(slow.calls)) == (2, 8)
        await stop(running)


async def test_client_with_many_slow_hosts_does_not_block_others(
    settings: Settings, store: Store
) -> None:
    async with run_receiver(host="0.0.0.0") as slow, run_receiver(host="127.0.0.1") as quick:
        slow.hold = asyncio.Event()
        chosen = webhook_settings(
            settings,
            slow,
            quick,
            webhook_concurrency=6,
            webhook_timeout=60,
        )
        for number in range(8):
            await put(store, f"http://127.0.1.{number + 1}:{slow.port}/", client="mallory")
        await put(store, quick.url, client="ann")
        running = start_sender(chosen, store)

        async def delivered() -> bool:
            return len(quick.calls) == 1 and slow.concurrent == 3

        await wait_until(delivered, 60)
        assert slow.max_concurrent == 3
        await stop(running)


async def test_missed_task_end_is_found_by_polling(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        task_id = await put(store, receiver.url, ended=False)
        assert await store.pending_webhooks.poll(0) == 0
        assert (await only_webhook(store)).status is DeliveryStatus.WAITING
        await fail_task(store, task_id, "broken")  # nothing settles it
        assert await store.pending_webhooks.poll(60) == 0  # it was checked lately
        assert await store.pending_webhooks.poll(0) == 1
        assert await store.pending_webhooks.poll(0) == 0
        assert await deliver_due(chosen, store) == 1


async def test_webhook_of_a_deleted_task_fails(settings: Settings, store: Store) -> None:
    """A task that is no longer in the ledger fails the webhook at once."""
    task_id = await put(store, "http://127.0.0.1/", ended=False)
    await store.tasks._tasks.delete_one({"_id": task_id})
    assert await store.pending_webhooks.poll(0) == 1
    await deliver_due(webhook_settings(settings), store)
    webhook = await only_webhook(store)
    assert (webhook.status, webhook.error) == (DeliveryStatus.FAILED, "the task is no longer kept")
