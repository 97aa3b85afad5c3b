"""Webhooks that are sent again by hand; their log, metrics and expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from models.metrics import snapshot
from models.metrics.definitions import WEBHOOK_CALLS, WEBHOOK_DURATION
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.support.task_factory import allow
from tests.support.webhook_receiver import (
    all_webhooks,
    deliver_due,
    only_webhook,
    run_receiver,
    update_webhooks,
    webhook_sender,
    webhook_settings,
    worker_context,
)
from tests.workers.webhooks.test_retries import make_due, put


async def test_redelivery_has_the_same_id(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        await put(store, receiver.url)
        waiting = await only_webhook(store)
        assert await store.webhooks.redeliver(waiting.id) == (False, waiting)  # no payload yet
        receiver.responses = [web.Response(status=500)]
        await deliver_due(chosen, store)
        for count in (2, 3):  # one that waits for a retry, and one that was delivered
            assert (await store.webhooks.redeliver(waiting.id))[0]
            assert await deliver_due(chosen, store) == 1
            assert len(receiver.calls) == count
        webhook = await only_webhook(store)
        assert (webhook.status, len(webhook.log)) == (DeliveryStatus.SENT, 3)
        assert set(receiver.ids) == {webhook.id}
        held = await store.webhooks.redeliver(webhook.id)
        assert held[0] and await store.webhooks.claim("t", 60)
        assert not (await store.webhooks.redeliver(webhook.id))[0]  # it is being sent
        assert await store.webhooks.redeliver("msg_nothing") == (False, None)


async def test_log_is_bounded_and_without_responses(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.outbox.webhooks._MAX_LOG_ENTRIES", 3)
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        small = await Store.open(chosen)
        try:
            await put(small, receiver.url)
            for status in (500, 501, 502, 503, 504):
                receiver.responses = [web.Response(status=status, text="<script>secret</script>")]
                await make_due(small)
                await deliver_due(chosen, small)
        finally:
            small.close()
        document: Any = await store.webhooks._collection.find_one()
        assert [each["status"] for each in document["log"]] == [502, 503, 504]
        assert "secret" not in str(document)


async def test_calls_are_counted(settings: Settings, store: Store) -> None:
    async with run_receiver() as receiver:
        worker = worker_context(webhook_settings(settings, receiver), store)
        receiver.responses = [web.Response(status=500)]
        async with webhook_sender(worker.settings, store, worker) as sender:
            for _ in range(2):
                await put(store, receiver.url)
                webhook = await sender.claim()
                assert webhook is not None
                await sender.deliver(webhook)
        seen = snapshot.collect(worker.instruments)
        assert {k: v for k, v in seen[WEBHOOK_CALLS].items() if v} == {
            ("http_error",): 1,
            ("delivered",): 1,
        }
        taken = seen[WEBHOOK_DURATION][()]
        assert isinstance(taken, snapshot.HistogramValue) and taken.counts[-1] == 2


async def test_late_webhooks(settings: Settings, store: Store) -> None:
    assert await store.webhooks.lateness() == (0, 0.0)
    await put(store, "http://127.0.0.1/")
    await put(store, "http://127.0.0.1/", ended=False)
    await update_webhooks(store, {"due_at": datetime.now(UTC) - timedelta(days=1, seconds=10)})
    count, age = await store.webhooks.lateness()
    assert count == 1 and age >= 990
    await update_webhooks(store, {"due_at": datetime.now(UTC) + timedelta(days=1, seconds=10)})
    assert await store.webhooks.lateness() == (1, 0.0)  # waits for a retry, not late


async def test_waiting_webhooks_expire(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied for a restart that never happens: MongoDB deletes it."""
    task_id = await put(store, "http://127.0.0.1:1/", ended=True)
    async with run_receiver() as receiver:
        monkeypatch.setattr("workers.webhooks.sender.WebhookSender.give_up_seconds", 0.001)
        await deliver_due(webhook_settings(settings, receiver, webhook_ports="1"), store)
    await store.webhooks.rearm(task_id, allow)
    _, copy = await all_webhooks(store)
    assert (copy.status, copy.after is not None) == (DeliveryStatus.WAITING, True)
    document: Any = await store.webhooks._collection.find_one({"_id": copy.id})
    assert document["expires_at"] > datetime.now(UTC)
    assert await store.pending_webhooks.poll(0) == 0
    after: Any = await store.webhooks._collection.find_one({"_id": copy.id})
    assert after["expires_at"] == document["expires_at"]
