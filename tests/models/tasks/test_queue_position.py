"""Queue position and ETA: pure arithmetic over one snapshot of the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.tasks.queue_position import QueueSnapshot
from models.tasks.task import Status, Task, Upload
from tests.models.store.test_change_stream import create, run

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def task(status: Status, progress: int = 0, started: float | None = None, **more: Any) -> Task:
    """``started``: seconds ago."""
    return Task(
        id="t",
        fingerprint="t",
        status=status,
        progress=progress,
        original_id=ObjectId(),
        original_sha256="",
        uploads=[Upload(name="a.png", results=["b.png"])],
        operations=[],
        format="png",
        created_at=NOW,
        started_at=None if started is None else NOW - timedelta(seconds=started),
        **more,
    )


def snapshot(**changes: Any) -> QueueSnapshot:
    usual = {
        "positions": {},
        "default_position": 0,
        "running": 1,
        "mean_seconds": 4.0,
        "workers": 1,
    }
    return QueueSnapshot(**{**usual, "clock_offset": timedelta(), **changes})


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.CANCELLED])
def test_ended_tasks_have_no_position_and_eta_0(status: Status) -> None:
    assert snapshot(positions={"t": 3}).position(task(status)) is None
    assert snapshot().eta_seconds(task(status), NOW) == 0


def test_running_task_with_progress() -> None:
    assert snapshot().eta_seconds(task(Status.STARTED, 25, 10), NOW) == 30
    assert snapshot(mean_seconds=None).eta_seconds(task(Status.STARTED, 50, 2), NOW) == 2
    assert snapshot(positions={"t": 3}).position(task(Status.STARTED, 25, 10)) is None


def test_running_task_without_progress() -> None:
    assert snapshot().eta_seconds(task(Status.STARTED, 0, 1), NOW) == 3
    # Longer than the mean: unknown.
    assert snapshot().eta_seconds(task(Status.STARTED, 0, 5), NOW) is None
    assert snapshot(mean_seconds=None).eta_seconds(task(Status.STARTED, 0, 1), NOW) is None


@pytest.mark.parametrize(
    ("place", "running", "expected"),
    [
        (0, 0, 4),  # at once, on its own
        (0, 1, 8),  # after the running one
        (3, 1, 20),
        (3, 2, 12),  # two at a time: half as long to wait, as long to work
    ],
)
def test_waiting_task(place: int, running: int, expected: float) -> None:
    seen = snapshot(positions={"t": place}, running=running)
    assert seen.position(task(Status.CREATED)) == place
    assert seen.eta_seconds(task(Status.CREATED), NOW) == expected


def test_eta_is_none_without_workers_or_history() -> None:
    assert snapshot(workers=0).eta_seconds(task(Status.CREATED), NOW) is None
    assert snapshot(mean_seconds=None).eta_seconds(task(Status.CREATED), NOW) is None


def test_task_outside_the_snapshot_gets_the_default_position() -> None:
    assert snapshot().position(task(Status.CREATED)) == 0
    assert snapshot(default_position=100_000).position(task(Status.CREATED)) == 100_000


def test_eta_uses_the_clock_of_mongodb() -> None:
    behind = snapshot(clock_offset=timedelta(hours=1))
    began = task(Status.STARTED, 50)
    began.started_at = datetime.now(UTC) + timedelta(hours=1, seconds=-10)
    left = behind.eta_seconds(began)
    assert left is not None and 10 <= left < 100


async def test_snapshot_from_mongodb(store: Store) -> None:
    empty = await store.fair_queue.snapshot()
    assert (empty.positions, empty.default_position, empty.running, empty.mean_seconds) == (
        {},
        0,
        0,
        None,
    )
    assert abs(empty.clock_offset) < timedelta(minutes=1)
    ids = [await create(store, number) for number in range(5)]
    await run(store, ids[0])
    await store.leases.claim(ids[1], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.claim(ids[4], worker="w", token="t", seconds=9, max_attempts=9)
    await store.workers.report("w")
    seen = await store.fair_queue.snapshot()
    assert seen.positions == {ids[2]: 0, ids[3]: 1}
    assert (seen.running, seen.workers) == (2, 1)
    assert seen.mean_seconds is not None and 0 <= seen.mean_seconds < 60
    await store.workers.set_drain("w", drain=True)  # it takes no new tasks
    assert (await store.fair_queue.snapshot()).workers == 0


async def test_tasks_are_served_by_turn_then_by_age(store: Store) -> None:
    ids = [await create(store, number) for number in range(4)]
    for task_id, turn in zip(ids, (2, 1, 2, 0), strict=True):
        await store._database["tasks"].update_one({"_id": task_id}, {"$set": {"turn": turn}})
    seen = await store.fair_queue.snapshot()
    assert seen.positions == {ids[3]: 0, ids[1]: 1, ids[0]: 2, ids[2]: 3}
