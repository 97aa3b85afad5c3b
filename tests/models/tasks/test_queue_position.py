"""When a turn comes and when it ends: pure arithmetic over one look at the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.tasks.queue_position import Outlook
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


def outlook(**said: Any) -> Outlook:
    usual = {"places": {}, "beyond": 0, "running": 1, "seconds": 4.0, "workers": 1}
    return Outlook(**{**usual, "ahead": timedelta(), **said})


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.CANCELLED])
def test_what_has_ended(status: Status) -> None:
    assert outlook(places={"t": 3}).position(task(status)) is None
    assert outlook().left(task(status), NOW) == 0


def test_in_work_by_its_own_progress() -> None:
    assert outlook().left(task(Status.STARTED, 25, 10), NOW) == 30
    assert outlook(seconds=None).left(task(Status.STARTED, 50, 2), NOW) == 2
    assert outlook(places={"t": 3}).position(task(Status.STARTED, 25, 10)) is None


def test_in_work_without_progress_by_what_others_took() -> None:
    assert outlook().left(task(Status.STARTED, 0, 1), NOW) == 3
    assert outlook().left(task(Status.STARTED, 0, 5), NOW) is None  # longer than usual: who knows
    assert outlook(seconds=None).left(task(Status.STARTED, 0, 1), NOW) is None


@pytest.mark.parametrize(
    ("place", "running", "expected"),
    [
        (0, 0, 4),  # at once, on its own
        (0, 1, 8),  # after the one in work
        (3, 1, 20),
        (3, 2, 12),  # two at a time: half as long to wait, as long to work
    ],
)
def test_waiting_by_what_ends_before_it(place: int, running: int, expected: float) -> None:
    seen = outlook(places={"t": place}, running=running)
    assert seen.position(task(Status.CREATED)) == place
    assert seen.left(task(Status.CREATED), NOW) == expected


def test_nobody_there_or_nothing_known() -> None:
    assert outlook(workers=0).left(task(Status.CREATED), NOW) is None
    assert outlook(seconds=None).left(task(Status.CREATED), NOW) is None


def test_claimed_since_the_look_or_too_deep_for_it() -> None:
    assert outlook().position(task(Status.CREATED)) == 0
    assert outlook(beyond=100_000).position(task(Status.CREATED)) == 100_000


def test_by_the_clock_of_the_ledger() -> None:
    behind = outlook(ahead=timedelta(hours=1))
    began = task(Status.STARTED, 50)
    began.started_at = datetime.now(UTC) + timedelta(hours=1, seconds=-10)
    left = behind.left(began)
    assert left is not None and 10 <= left < 100


async def test_one_look_at_the_ledger(store: Store) -> None:
    empty = await store.backlog.outlook(5)
    assert (empty.places, empty.beyond, empty.running, empty.seconds) == ({}, 0, 0, None)
    assert abs(empty.ahead) < timedelta(minutes=1)
    ids = [await create(store, number) for number in range(5)]
    await run(store, ids[0])
    await store.leases.claim(ids[1], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.claim(ids[4], worker="w", token="t", seconds=9, max_attempts=9)
    await store.presence.here("w")
    seen = await store.backlog.outlook(5)
    assert seen.places == {ids[2]: 0, ids[3]: 1}
    assert (seen.running, seen.workers) == (2, 1)
    assert seen.seconds is not None and 0 <= seen.seconds < 60
    await store.presence.ask("w", drain=True)  # it takes nothing new: nobody knows when they end
    assert (await store.backlog.outlook(5)).workers == 0


async def test_served_by_turn_then_by_age(store: Store) -> None:
    ids = [await create(store, number) for number in range(4)]
    for task_id, turn in zip(ids, (2, 1, 2, 0), strict=True):
        await store._database["tasks"].update_one({"_id": task_id}, {"$set": {"turn": turn}})
    seen = await store.backlog.outlook(5)
    assert seen.places == {ids[3]: 0, ids[1]: 1, ids[0]: 2, ids[2]: 3}
