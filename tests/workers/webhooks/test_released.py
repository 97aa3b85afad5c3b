"""The webhooks of tasks that have ended: a worker asks for those of many tasks at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from models.store.outbox.pending_webhooks import PendingWebhooks
from tests.conftest import working
from tests.support.smtp import fail_task
from tests.support.webhook_receiver import (
    deliver_due,
    only_webhook,
    run_receiver,
    webhook_settings,
    worker_context,
)
from tests.workers.webhooks.test_end_to_end import open_client, send
from workers.webhooks.sender import release_webhooks, task_ended


async def test_one_question_makes_the_webhooks_of_many_tasks_due(
    settings: Settings, aiohttp_client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    release = store.pending_webhooks.release

    async def recorded(task_ids: list[str]) -> int:
        asked.append(task_ids)
        return await release(task_ids)

    monkeypatch.setattr(store.pending_webhooks, "release", recorded)
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        worker = worker_context(chosen, store)
        paths = ("/grayscale", "/blur", "/thumbnail")
        ids = [(await send(client, receiver.url, "a.png", path=p))["task_id"] for p in paths]
        for task_id in ids:
            await fail_task(store, task_id, "broken")
            task_ended(worker, task_id)
        await release_webhooks(worker)
        assert asked == [ids]
        assert worker.webhook_due.is_set()
        assert await deliver_due(chosen, store) == 3
        assert len(receiver.calls) == 3


async def test_a_worker_that_stops_asks_once_more(
    settings: Settings, aiohttp_client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    release = PendingWebhooks.release

    async def first_hangs(self: PendingWebhooks, task_ids: list[str]) -> int:
        if asked.is_set():
            return await release(self, task_ids)
        asked.set()
        await asyncio.Event().wait()
        return 0

    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        await send(client, receiver.url, "a.png")
        monkeypatch.setattr(PendingWebhooks, "release", first_hangs)
        async with working(chosen):
            await asked.wait()
        assert (await only_webhook(store)).status is DeliveryStatus.CREATED
        assert await deliver_due(chosen, store) == 1


async def test_without_webhooks_nothing_is_asked(settings: Settings, store: Store) -> None:
    worker = worker_context(settings.replace(webhooks=False), store)
    task_ended(worker, "1")
    assert worker.ended.empty()
