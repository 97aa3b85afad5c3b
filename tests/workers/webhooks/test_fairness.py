"""Whose event goes out next: no number of clients with slow receivers holds up another."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest

from models.outbox import webhook as drafts
from models.settings import Settings
from models.store import Store
from tests.support.smtp import until
from tests.support.webhook_receiver import calling, receiving
from tests.workers.webhooks.test_retries import ended, put, sending


@pytest.mark.parametrize("clients", [2, 4])
async def test_clients_whose_slow_hosts_fill_every_place_hold_up_nobody_else(
    clients: int, settings: Settings, store: Store
) -> None:
    """Two at their bound, or as many as there are places: what they have waiting is older."""
    async with receiving(host="0.0.0.0") as slow, receiving() as quick:
        slow.hold = asyncio.Event()
        chosen = calling(
            settings, slow, quick, webhook_per_party=2, webhook_senders=4, webhook_timeout=60
        )
        for number in range(20):
            url = f"http://127.0.1.{number + 1}:{slow.port}/"
            await put(store, url, client=f"mallory{number % clients}")
        running = await sending(chosen, store)

        async def full() -> bool:
            return slow.now == 4

        await until(full)
        await put(store, quick.url, client="zoe")
        full_places, slow.hold = slow.hold, asyncio.Event()
        full_places.set()  # all places are free at once, and those who come next are held again

        async def told() -> bool:
            return len(quick.calls) == 1

        await until(told)
        assert len(slow.calls) <= 8
        await ended(running)


async def test_turns_go_round(store: Store) -> None:
    for client in ("c", "a", "b", "a", ""):
        await put(store, f"http://{client or 'nobody'}.example/", client=client)
    turn = store.events.whose_turn
    assert [await turn(last, [], {}) for last in ("", "a", "b", "c")] == ["a", "b", "c", ""]
    assert await turn("b", ["c", ""], {}) == "a"
    assert await turn("", [], {"host": {"$nin": ["a.example", "b.example"]}}) == "c"
    assert await turn("", ["a", "b", "c", ""], {}) is None


async def profiled(store: Store, asked: Any) -> dict[str, Any]:
    """Await one question and return what MongoDB did for it."""
    await store._database.command("profile", 2)
    await asked
    await store._database.command("profile", 0)
    found = store._database["system.profile"].find({"ns": {"$regex": "webhooks$"}})
    (seen,) = await found.to_list(None)
    return dict(seen)


async def test_what_is_left_out_is_not_read(store: Store) -> None:
    """However much waits of a client whose turn it is not, or is told of one task."""
    task_id = await put(store, "http://127.0.0.1/", client="mallory")
    event: Any = await store.events._parcels.find_one()
    copies = [
        {
            **event,
            "_id": f"msg_{number}",
            "key": secrets.token_hex(8),
            "due_at": event["due_at"] - timedelta(seconds=number),
        }
        for number in range(300)
    ]
    await store.events._parcels.insert_many(copies)
    await put(store, "http://127.0.0.1/", client="zoe")
    seen = await profiled(store, store.events.whose_turn("a", ["mallory"], {"host": {"$nin": [1]}}))
    assert (seen["docsExamined"], seen["nreturned"]) == (1, 1)
    assert seen["keysExamined"] < 10
    await store._database["system.profile"].drop()
    task = await store.tasks.get(task_id)
    assert task is not None
    callback = drafts.of_task(task, "other", "http://127.0.0.1/", "mallory")
    assert await store.events.others(callback) == 301
    seen = await profiled(store, store.events.others(callback))
    assert (seen["docsExamined"], seen.get("hasSortStage")) == (0, None)
