"""The change stream of tasks: endings only or detailed, switched while open, without loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bson import ObjectId

from models.settings import Settings
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from models.tasks.task import Status, Upload, Work


async def create(store: Store, number: int, work: Work | None = None) -> str:
    task_id = f"{number:032x}"
    inserted = await store.tasks.create(
        task_id + "0" * 32,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="a.png", results=["b.png"]),
        operations=[{"op": "grayscale"}],
        output="png",
        work=work,
    )
    assert inserted
    return task_id


async def run(store: Store, task_id: str) -> None:
    """Claim, two steps of progress, finish."""
    assert await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=1)
    for progress in (30, 60):
        assert await store.leases.extend(task_id, "t", seconds=9, progress=progress)
    assert await store.leases.finish(task_id, "t", [])


async def until_ended(changes: AsyncIterator[TaskChange], task_id: str) -> list[TaskChange]:
    seen: list[TaskChange] = []
    async with asyncio.timeout(20):
        async for change in changes:
            seen.append(change)
            if change == TaskChange(task_id, Status.SUCCESS):
                return seen
    raise AssertionError("the stream ended")


async def test_stream_reports_only_endings_unless_detailed(store: Store) -> None:
    async with store.change_stream.changes() as changes:
        first, second, third = [await create(store, number) for number in range(3)]
        await run(store, first)
        assert await until_ended(changes, first) == [TaskChange(first, Status.SUCCESS)]
        store.change_stream.set_detailed(True)
        await run(store, second)
        fourth = await create(store, 3)
        await run(store, third)
        # Changes after the last reported one are reported, however soon after the switch.
        reported = await until_ended(changes, third)
        assert [change for change in reported if change.task_id != first] == [
            TaskChange(second, Status.STARTED),
            TaskChange(second, None),
            TaskChange(second, None),
            TaskChange(second, Status.SUCCESS),
            TaskChange(fourth, Status.CREATED),
            TaskChange(third, Status.STARTED),
            TaskChange(third, None),
            TaskChange(third, None),
            TaskChange(third, Status.SUCCESS),
        ]
        store.change_stream.set_detailed(False)
        await run(store, fourth)
        # Changes in flight at the switch may still be reported; only the ending counts.
        assert (await until_ended(changes, fourth))[-1] == TaskChange(fourth, Status.SUCCESS)


async def test_repeated_mode_switches_lose_no_ending(store: Store) -> None:
    count = 30
    tasks = [await create(store, number) for number in range(count)]
    ended: list[str] = []

    async def listen() -> None:
        async with store.change_stream.changes() as changes:
            opened.set()
            async for change in changes:
                if change.status is Status.SUCCESS:
                    ended.append(change.task_id)
                if len(set(ended)) == count:
                    return

    async def switch() -> None:
        detailed = False
        while True:
            detailed = not detailed
            store.change_stream.set_detailed(detailed)
            await asyncio.sleep(0.03)

    opened = asyncio.Event()
    listening = asyncio.create_task(listen())
    await opened.wait()
    switching = asyncio.create_task(switch())
    for task_id in tasks:
        await run(store, task_id)
    switching.cancel()  # a stream that is slow to open would never report anything
    async with asyncio.timeout(20):
        await listening
    assert sorted(set(ended)) == tasks


async def test_unchanged_progress_is_not_reported(store: Store) -> None:
    store.change_stream.set_detailed(True)
    async with store.change_stream.changes() as changes:
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
    """Return the number of open change streams on the test database."""
    operations = store._client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
    return len(
        {
            op["cursor"]["cursorId"]
            async for op in operations
            if op.get("cursor", {}).get("tailable")
            and op["ns"].startswith(f"{settings.stores.mongo_db}.")
        }
    )


async def test_mode_switches_leave_one_open_stream(store: Store, settings: Settings) -> None:
    async with store.change_stream.changes() as changes:
        last = await create(store, 0)
        reading = asyncio.create_task(until_ended(changes, last))
        for number in range(6):
            store.change_stream.set_detailed(number % 2 == 0)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            while await streams(store, settings) != 1:
                await asyncio.sleep(0.05)
        await run(store, last)
        await reading
    async with asyncio.timeout(20):
        while await streams(store, settings):
            await asyncio.sleep(0.05)
