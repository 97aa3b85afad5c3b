"""Queue position and ETA: pure arithmetic over one snapshot of the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.tasks.queue_position import MAX_AHEAD, MAX_POSITIONS, QueueSnapshot, Running
from models.tasks.task import Status, Task, TimelineEntry, Upload, Work
from models.work_prices import Prices
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


def work(seconds: float, *, network: bool = True, short: bool = False) -> Work:
    """``seconds`` at the reference price, of a network or of something else."""
    part = "upscale best-x2" if network else "blur"
    return Work(parts=[(part, seconds)], seconds=seconds, networks=network, short=short)


def waiting(seconds: float, name: str = "t", **more: Any) -> Task:
    made = task(Status.CREATED, work=work(seconds, **more))
    made.id = name
    return made


def running(seconds: float, progress: int = 0, spent: float = 0.0, **more: Any) -> Running:
    usual = {"beside": 1, "worker": "w"}
    short = more.pop("short", False)
    made = work(seconds, network=False, short=short)
    return Running(made, progress, spent, **{**usual, **more})


def snapshot(*ahead: Work, **changes: Any) -> QueueSnapshot:
    """Two places of one worker; ``ahead`` waits, the ids are 0, 1, 2."""
    usual: dict[str, Any] = {
        "positions": {f"{place}": place for place in range(len(ahead))},
        "turns": [place + 1 for place in range(len(ahead))],
        "ahead": ahead,
        "running": [],
        "workers": 1,
        "places": 2,
        "prices": Prices(),
        "taken_at": NOW,
    }
    return QueueSnapshot(**{**usual, **changes})


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.CANCELLED])
def test_ended_tasks_have_no_position_and_eta_0(status: Status) -> None:
    assert snapshot(positions={"t": 3}).position(task(status)) is None
    assert snapshot().eta_seconds(task(status), NOW) == 0


def test_a_task_that_starts_at_once_takes_its_own_seconds() -> None:
    assert snapshot().eta_seconds(waiting(55), NOW) == 55
    dear = snapshot(prices=Prices({"upscale best-x2": 3.0}))
    assert dear.eta_seconds(waiting(55), NOW) == 165
    assert dear.eta_seconds(waiting(55, network=False), NOW) == 55
    assert snapshot(prices=Prices(usual_network=2.0)).eta_seconds(waiting(55), NOW) == 110


def test_a_running_task_by_its_price_then_by_its_rate() -> None:
    def left(progress: int, spent: float) -> float | None:
        at_work = task(Status.STARTED, progress, spent, work=work(40, network=False))
        return snapshot().eta_seconds(at_work, NOW)

    assert left(0, 0) == 40
    assert left(0, 10) == 30
    assert left(0, 100) == 10  # late: what it has shown is that it takes longer
    assert left(25, 30) == 90  # by its rate alone
    assert left(50, 30) == 30
    # At a tenth of the way four parts of ten are its rate (60 s in all), the others its price.
    assert left(10, 6) == pytest.approx(0.9 * (0.4 * 60 + 0.6 * 40))
    assert snapshot(positions={"t": 3}).position(task(Status.STARTED, 25, 10)) is None


def test_two_networks_at_once_share_the_cores() -> None:
    one = snapshot(running=[running(30)]).eta_seconds(waiting(10), NOW)
    assert one == pytest.approx(10 * 2)
    # What uses one core does not wait for the other.
    assert snapshot(running=[running(30)]).eta_seconds(waiting(10, network=False), NOW) == 10
    # Two workers with a place each: every task is alone on its machine.
    apart = snapshot(running=[running(30)], workers=2)
    assert apart.eta_seconds(waiting(10), NOW) == 10
    claimed = task(Status.STARTED, 0, 0, work=work(10), beside=2)
    assert snapshot().eta_seconds(claimed, NOW) == one


def test_work_before_a_task_counts_not_the_number_of_tasks() -> None:
    serial = [work(seconds, network=False) for seconds in (50, 1, 1, 1)]
    seen = snapshot(*serial)
    # 0 takes a place for 50 s; the others go through the second one.
    etas = [
        seen.eta_seconds(waiting(w.seconds, f"{n}", network=False), NOW)
        for n, w in enumerate(serial)
    ]
    assert etas == [50, 1, 2, 3]
    busy = snapshot(*serial, running=[running(20), running(100, 90, 45)])
    assert busy.eta_seconds(waiting(50, "0", network=False), NOW) == 5 + 50
    assert busy.eta_seconds(waiting(1, "1", network=False), NOW) == 20 + 1
    after = waiting(55, "new", network=False)
    after.turn = 9
    assert busy.eta_seconds(after, NOW) == 23 + 55


def test_it_falls_with_time_while_the_snapshot_is_old() -> None:
    seen = snapshot(running=[running(20), running(30)])
    first, later = (
        seen.eta_seconds(waiting(7, network=False), NOW + timedelta(seconds=s)) for s in (0, 4)
    )
    assert (first, later) == (27, 23)
    late = seen.eta_seconds(waiting(7, network=False), NOW + timedelta(seconds=99))
    assert late == 7  # it starts any moment


def test_a_running_task_counts_those_that_came_beside_it() -> None:
    at_work = task(Status.STARTED, 0, 0, work=work(10), worker="w", beside=1)
    assert snapshot(running=[running(10)]).eta_seconds(at_work, NOW) == 10
    seen = snapshot(running=[running(10), running(30), running(9, worker="another")])
    assert seen.eta_seconds(at_work, NOW) == 20


def test_of_short_tasks_alone_no_more_run_than_places() -> None:
    """Thirteen at once: each waits for half of those before it, not for a third."""
    thirteen = [work(0.5, network=False, short=True)] * 13
    seen = snapshot(*thirteen)
    etas = [
        seen.eta_seconds(waiting(0.5, f"{n}", network=False, short=True), NOW) for n in range(13)
    ]
    assert etas == [0.5 * (1 + n // 2) for n in range(13)]


def test_a_short_task_has_a_place_more() -> None:
    full = snapshot(running=[running(60), running(70)])
    assert full.eta_seconds(waiting(0.2, network=False, short=True), NOW) == 0.2
    assert full.eta_seconds(waiting(0.2, network=False), NOW) == 60.2
    # That place is taken: three run.
    taken = snapshot(running=[running(60), running(70), running(0.5, short=True)])
    assert taken.eta_seconds(waiting(0.2, network=False, short=True), NOW) == 0.7
    several = [work(0.5, network=False, short=True)] * 3
    queued = snapshot(*several, running=[running(60), running(70)])
    assert queued.eta_seconds(waiting(0.5, "2", network=False, short=True), NOW) == 1.5


def test_beyond_the_work_that_is_read_the_average_counts() -> None:
    many = [work(3, network=False)] * MAX_AHEAD
    positions = {f"{n}": n for n in range(MAX_AHEAD + 1000)}
    seen = snapshot(*many, positions=positions, turns=list(range(MAX_AHEAD + 1000)))
    last = waiting(3, f"{MAX_AHEAD + 999}", network=False)
    assert seen.eta_seconds(last, NOW) == pytest.approx((MAX_AHEAD + 999) / 2 * 3 + 3, abs=2)


def test_a_slow_worker_takes_its_own_time() -> None:
    prices = Prices(delays={"slow": 3.0})
    at_work = task(Status.STARTED, 0, 0, work=work(10), worker="slow")
    assert snapshot(prices=prices).eta_seconds(at_work, NOW) == 30
    behind = snapshot(prices=prices, running=[running(10, worker="slow")], places=1)
    assert behind.eta_seconds(waiting(1), NOW) == 31


def test_eta_is_none_only_without_workers() -> None:
    assert snapshot(workers=0, places=0).eta_seconds(waiting(5), NOW) is None
    started = task(Status.STARTED, 50, 10, work=work(20))
    assert snapshot(workers=0, places=0).eta_seconds(started, NOW) == 10


def test_a_task_of_an_older_version_has_no_work() -> None:
    assert snapshot(Work(), Work()).eta_seconds(task(Status.CREATED), NOW) == 1


def test_a_task_outside_the_snapshot_is_placed_by_its_turn() -> None:
    seen = snapshot(positions={"a": 0, "b": 1, "c": 2}, turns=[1, 5, 5])
    since = NOW + timedelta(seconds=1)
    for turn, place in ((0, 0), (1, 1), (4, 1), (5, 3), (9, 3)):
        new = task(Status.CREATED, turn=turn)
        new.created_at = since
        assert seen.position(new) == place
    claimed = task(Status.CREATED, turn=9)  # since the snapshot was read
    claimed.created_at = NOW - timedelta(seconds=1)
    assert seen.position(claimed) == 0
    full = snapshot(positions={}, turns=[1] * MAX_POSITIONS)
    assert full.position(task(Status.CREATED, turn=1)) == MAX_POSITIONS


def test_positions_behind_those_that_were_read_follow_the_turns() -> None:
    read = {f"{n}": n for n in range(MAX_POSITIONS)}
    turns = [1 + n // 100 for n in range(MAX_POSITIONS)]
    last = turns[-1] + 1000
    seen = snapshot(
        positions=read, turns=turns, last_turn=last, waiting=MAX_POSITIONS + 100_000, places=10
    )
    for turn, place in ((0, 0), (1, 100), (turns[-1], 0), (turns[-1] + 100, 10_000), (last, 1e5)):
        expected = place + (MAX_POSITIONS if turn >= turns[-1] else 0)
        assert seen.position(task(Status.CREATED, turn=turn)) == expected
    assert seen.position(task(Status.CREATED, turn=last + 9)) == MAX_POSITIONS + 100_000
    one_turn = snapshot(
        positions=read, turns=turns, last_turn=turns[-1], waiting=MAX_POSITIONS + 50
    )
    assert one_turn.position(task(Status.CREATED, turn=turns[-1])) == MAX_POSITIONS + 25
    behind, younger = (task(Status.CREATED, turn=last) for _ in range(2))
    behind.created_at, younger.created_at = (NOW + timedelta(seconds=s) for s in (-1, 1))
    assert (seen.covers([behind]), seen.covers([younger])) == (True, False)
    assert not snapshot().covers([behind])


def test_eta_uses_the_clock_of_mongodb() -> None:
    behind = snapshot(clock_offset=timedelta(hours=1))
    began = task(Status.STARTED, 50)
    began.started_at = datetime.now(UTC) + timedelta(hours=1, seconds=-10)
    left = behind.eta_seconds(began)
    assert left is not None and 10 <= left < 100


def test_a_second_run_counts_from_its_own_claim() -> None:
    claims = [TimelineEntry(at=NOW - timedelta(seconds=s), what="claimed") for s in (500, 10)]
    again = task(Status.STARTED, 50, 500, timeline=claims, work=work(20))
    assert snapshot().eta_seconds(again, NOW) == 10


async def test_snapshot_from_mongodb(store: Store) -> None:
    prices = Prices(usual_network=2.0)
    empty = await store.fair_queue.snapshot(prices)
    assert (empty.positions, empty.turns, empty.running, empty.places) == ({}, [], [], 0)
    assert abs(empty.clock_offset) < timedelta(minutes=1)
    long = work(10)
    ids = [await create(store, number, work=long) for number in range(5)]
    await run(store, ids[0])
    await store.leases.claim(ids[1], worker="w", token="t", seconds=9, max_attempts=1, beside=2)
    await store.leases.extend(ids[1], "t", seconds=9, progress=40)
    await store.leases.claim(ids[4], worker="w", token="t", seconds=9, max_attempts=9)
    await store.workers.report("w", status={"places": 3}, first=True)
    await store.workers.report("v", first=True)
    seen = await store.fair_queue.snapshot(prices)
    assert seen.positions == {ids[2]: 0, ids[3]: 1}
    assert seen.ahead == [long, long]
    assert (seen.workers, seen.places, seen.prices) == (2, 4, prices)
    at_work = sorted(seen.running, key=lambda each: each.beside)
    assert [(each.beside, each.progress, each.worker) for each in at_work] == [
        (1, 0, "w"),
        (2, 40, "w"),
    ]
    assert all(each.work == long and 0 <= each.spent < 60 for each in at_work)
    waits = await store.tasks.get(ids[3])
    assert waits is not None
    eta = seen.eta_seconds(waits)
    assert eta is not None and 20 <= eta < 200
    await store.workers.set_drain("w", drain=True)  # it takes no new tasks
    assert (await store.fair_queue.snapshot(prices)).places == 1


async def test_tasks_are_served_by_turn_then_by_age(store: Store) -> None:
    ids = [await create(store, number) for number in range(4)]
    for task_id, turn in zip(ids, (2, 1, 2, 0), strict=True):
        await store._database["tasks"].update_one({"_id": task_id}, {"$set": {"turn": turn}})
    seen = await store.fair_queue.snapshot(Prices())
    assert seen.positions == {ids[3]: 0, ids[1]: 1, ids[0]: 2, ids[2]: 3}
