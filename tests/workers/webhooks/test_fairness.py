"""Fairness between clients: no number of clients with slow receivers holds up another."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest

from models.outbox import webhook as drafts
from models.settings import Settings
from models.store import Store
from tests.support.smtp import wait_until
from tests.support.webhook_receiver import run_receiver, webhook_settings
from tests.workers.webhooks.test_retries import put, start_sender, stop


@pytest.mark.parametrize("clients", [2, 4])
async def test_clients_with_slow_hosts_do_not_block_others(
    clients: int, settings: Settings, store: Store
) -> None:
    """Two at their limit, or as many as there are slots: their backlog is older."""
    async with run_receiver(host="0.0.0.0") as slow, run_receiver() as quick:
        slow.hold = asyncio.Event()
        chosen = webhook_settings(
            settings,
            slow,
            quick,
            webhook_concurrency=4,
            webhook_timeout=60,
        )
        for number in range(20):
            url = f"http://127.0.1.{number + 1}:{slow.port}/"
            await put(store, url, client=f"mallory{number % clients}")
        running = start_sender(chosen, store)

        async def full() -> bool:
            return slow.concurrent == 4

        await wait_until(full)
        await put(store, quick.url, client="zoe")
        first_hold, slow.hold = slow.hold, asyncio.Event()
        first_hold.set()  # all slots are free at once; the next calls are held again

        async def delivered() -> bool:
            return len(quick.calls) == 1

        await wait_until(delivered)
        assert len(slow.calls) <= 8
        await stop(running)


async def test_round_robin_over_clients(store: Store) -> None:
    for client in ("c", "a", "b", "a", ""):
        await put(store, f"http://{client or 'nobody'}.example/", client=client)
    turn = store.webhooks.next_client
    assert [await turn(last, [], {}) for last in ("", "a", "b", "c")] == ["a", "b", "c", ""]
    assert await turn("b", ["c", ""], {}) == "a"
    assert await turn("", [], {"host": {"$nin": ["a.example", "b.example"]}}) == "c"
    assert await turn("", ["a", "b", "c", ""], {}) is None


async def profiled(store: Store, query: Any) -> dict[str, Any]:
    """Await one query and return MongoDB's profile of it."""
    await store._database.command("profile", 2)
    await query
    await store._database.command("profile", 0)
    found = store._database["system.profile"].find({"ns": {"$regex": "webhooks$"}})
    (seen,) = await found.to_list(None)
    return dict(seen)


async def test_excluded_webhooks_are_not_read(store: Store) -> None:
    """Even with a large backlog of excluded clients, or of one task."""
    task_id = await put(store, "http://127.0.0.1/", client="mallory")
    webhook: Any = await store.webhooks._collection.find_one()
    copies = [
        {
            **webhook,
            "_id": f"msg_{number}",
            "key": secrets.token_hex(8),
            "due_at": webhook["due_at"] - timedelta(seconds=number),
        }
        for number in range(300)
    ]
    await store.webhooks._collection.insert_many(copies)
    await put(store, "http://127.0.0.1/", client="zoe")
    seen = await profiled(
        store, store.webhooks.next_client("a", ["mallory"], {"host": {"$nin": [1]}})
    )
    assert (seen["docsExamined"], seen["nreturned"]) == (1, 1)
    assert seen["keysExamined"] < 10
    await store._database["system.profile"].drop()
    task = await store.tasks.get(task_id)
    assert task is not None
    callback = drafts.task_webhook(task, "other", "http://127.0.0.1/", "mallory")
    assert await store.webhooks.count_rearmable(callback) == 301
    seen = await profiled(store, store.webhooks.count_rearmable(callback))
    assert (seen["docsExamined"], seen.get("hasSortStage")) == (0, None)
