"""The change stream of the ledger: narrow or wide, switched in the middle, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bson import ObjectId

from models.settings import Settings
from models.store import Store
from models.store.tasks.change_stream import Change
from models.tasks.task import Status, Upload


async def create(store: Store, number: int) -> str:
    task_id = f"{number:032x}"
    made = await store.tasks.create(
        task_id + "0" * 32,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="a.png", results=["b.png"]),
        operations=[{"op": "grayscale"}],
        output="png",
    )
    assert made
    return task_id


async def run(store: Store, task_id: str) -> None:
    """Claim, two steps of progress, finish."""
    assert await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=1)
    for progress in (30, 60):
        assert await store.leases.extend(task_id, "t", seconds=9, progress=progress)
    assert await store.leases.finish(task_id, "t", [])


async def until_ended(changes: AsyncIterator[Change], task_id: str) -> list[Change]:
    seen: list[Change] = []
    async with asyncio.timeout(20):
        async for change in changes:
            seen.append(change)
            if change == Change(task_id, Status.SUCCESS):
                return seen
    raise AssertionError("the stream ended")


async def test_endings_only_unless_more_is_wanted(store: Store) -> None:
    async with store.feed.changes() as changes:
        first, second, third = [await create(store, number) for number in range(3)]
        await run(store, first)
        assert await until_ended(changes, first) == [Change(first, Status.SUCCESS)]
        store.feed.widen(True)
        await run(store, second)
        fourth = await create(store, 3)
        await run(store, third)
        # What happened since the last word is told, however soon after the switch.
        told = await until_ended(changes, third)
        assert [change for change in told if change.task_id != first] == [
            Change(second, Status.STARTED),
            Change(second, None),
            Change(second, None),
            Change(second, Status.SUCCESS),
            Change(fourth, Status.CREATED),
            Change(third, Status.STARTED),
            Change(third, None),
            Change(third, None),
            Change(third, Status.SUCCESS),
        ]
        store.feed.widen(False)
        await run(store, fourth)
        # Of what was on its way when it was narrowed, nothing more than the ending counts.
        assert (await until_ended(changes, fourth))[-1] == Change(fourth, Status.SUCCESS)


async def test_switched_again_and_again_no_ending_is_lost(store: Store) -> None:
    count = 30
    tasks = [await create(store, number) for number in range(count)]
    ended: list[str] = []

    async def listen() -> None:
        async with store.feed.changes() as changes:
            opened.set()
            async for change in changes:
                if change.status is Status.SUCCESS:
                    ended.append(change.task_id)
                if len(set(ended)) == count:
                    return

    async def switch() -> None:
        wide = False
        while True:
            wide = not wide
            store.feed.widen(wide)
            await asyncio.sleep(0.03)

    opened = asyncio.Event()
    listening = asyncio.create_task(listen())
    await opened.wait()
    switching = asyncio.create_task(switch())
    for task_id in tasks:
        await run(store, task_id)
    async with asyncio.timeout(20):
        await listening
    switching.cancel()
    assert sorted(set(ended)) == tasks


async def test_progress_that_stays_is_no_change(store: Store) -> None:
    store.feed.widen(True)
    async with store.feed.changes() as changes:
        task_id = await create(store, 0)
        assert await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=1)
        for _ in range(3):
            assert await store.leases.extend(task_id, "t", seconds=9, progress=0)
        assert await store.leases.finish(task_id, "t", [])
        assert [change.status for change in await until_ended(changes, task_id)] == [
            Status.CREATED,
            Status.STARTED,
            Status.SUCCESS,
        ]


async def streams(store: Store, settings: Settings) -> int:
    """Return how many change streams are open on the tests' ledger."""
    operations = store._client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
    return len(
        {
            op["cursor"]["cursorId"]
            async for op in operations
            if op.get("cursor", {}).get("tailable") and op["ns"].startswith(f"{settings.mongo_db}.")
        }
    )


async def test_of_all_that_were_opened_one_is_left(store: Store, settings: Settings) -> None:
    async with store.feed.changes() as changes:
        last = await create(store, 0)
        reading = asyncio.create_task(until_ended(changes, last))
        for number in range(6):
            store.feed.widen(number % 2 == 0)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            while await streams(store, settings) != 1:
                await asyncio.sleep(0.05)
        await run(store, last)
        await reading
    async with asyncio.timeout(20):
        while await streams(store, settings):
            await asyncio.sleep(0.05)
