"""The timeline of a task, which the dashboard shows."""

from __future__ import annotations

from functools import partial
from typing import Any

from models.store import Store
from models.tasks.task import MAX_TIMELINE_ENTRIES, Task
from tests.models.store.test_leases import TASK, create_task
from tests.support.task_factory import got
from tests.workers.queue.test_jobs import wait_until


async def test_the_timeline_tells_each_change_and_is_bounded(store: Store) -> None:
    await create_task(store)
    claim: Any = {"seconds": 60, "max_attempts": 1000}

    async def story() -> list[tuple[str, str | None, str | None]]:
        return [(e.what, e.worker, e.cause) for e in (await got(store, TASK)).timeline]

    await store.leases.claim(TASK, worker="a:1", token="1", **claim)
    await store.leases.release(TASK, "1", charge=True, cause="crashed")
    await store.leases.claim(TASK, worker="a:1", token="2", **claim)
    assert await store.leases.expire_worker("a:1") == 1
    await wait_until(partial(_claimed, store, "b:2", "3"))
    error = {"code": "bad_image", "detail": "$broken"}
    assert await store.leases.fail(TASK, "3", error, {"fetch": 1.5})
    assert await store.tasks.restart(TASK)
    assert (await got(store, TASK)).stages is None
    await store.tasks.cancel(TASK, {"code": "cancelled", "detail": "x"})
    assert await story() == [
        ("claimed", "a:1", None),
        ("released", "a:1", "crashed"),
        ("claimed", "a:1", None),
        ("lease_expired", "a:1", "worker_died"),
        ("claimed", "b:2", None),
        ("failed", "b:2", "bad_image"),
        ("asked_again", None, None),
        ("cancelled", None, None),
    ]
    times = [event.at for event in (await got(store, TASK)).timeline]
    assert times == sorted(times)
    for number in range(MAX_TIMELINE_ENTRIES):
        await store.tasks.restart(TASK)
        await store.tasks.cancel(TASK, {"code": "cancelled", "detail": str(number)})
    assert len(await story()) == MAX_TIMELINE_ENTRIES
    lease = await store._database["tasks"].find_one({"_id": TASK}, {"lease": 1})
    assert lease is not None and lease["lease"] is None


async def _claimed(store: Store, worker: str, token: str) -> Task | None:
    return await store.leases.claim(TASK, worker=worker, token=token, seconds=60, max_attempts=1000)


async def test_one_that_is_given_up_says_so(store: Store) -> None:
    await create_task(store)
    await store.leases.claim(TASK, worker="a:1", token="1", seconds=60, max_attempts=1)
    await store.leases.expire_worker("a:1")
    error = {"code": "worker_crashed", "detail": "x"}

    async def given_up() -> bool:
        return await store.leases.give_up(TASK, 1, error)

    await wait_until(given_up)
    task = await got(store, TASK)
    assert [(e.what, e.cause) for e in task.timeline] == [
        ("claimed", None),
        ("lease_expired", "worker_died"),
        ("failed", "worker_crashed"),
    ]
    assert task.worker == "a:1"
