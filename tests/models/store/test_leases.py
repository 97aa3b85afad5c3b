"""Task leases, restarts, result names and the worker registry; zombies are fenced."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.store.tasks import worker_registry
from models.tasks.task import Result, Status, Task, Upload

MARK = "ab" * 32
TASK = MARK[:32]


async def create_task(store: Store, mark: str = MARK) -> Task | None:
    return await store.tasks.create(
        mark,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="cat.png", results=["cat-upscale-x2.png"]),
        operations=[{"op": "upscale", "scale": 2, "model": "$name"}],
        output="png",
    )


async def claim_task(
    store: Store, token: str, seconds: float = 60, attempts: int = 3
) -> Task | None:
    return await store.leases.claim(
        TASK, worker="host:1", token=token, seconds=seconds, max_attempts=attempts
    )


def make_result() -> Result:
    return Result(file_id=ObjectId(), format="png", width=2, height=2, bytes=9, sha256="f" * 64)


async def get_task(store: Store) -> Task:
    task = await store.tasks.get(TASK)
    assert task is not None
    return task


async def test_concurrent_creates_insert_one_task(store: Store) -> None:
    outcomes = await asyncio.gather(*(create_task(store) for _ in range(50)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    task = await get_task(store)
    assert task.status is Status.CREATED
    assert task.operations[0]["model"] == "$name"  # client text is never an expression
    assert not task.ended


async def test_concurrent_claims_have_one_winner(store: Store) -> None:
    await create_task(store)
    claims = await asyncio.gather(*(claim_task(store, f"t{n}") for n in range(20)))
    winners = [task for task in claims if task]
    assert len(winners) == 1
    assert (winners[0].status, winners[0].attempts) == (Status.STARTED, 1)
    assert winners[0].started_at is not None


async def test_expired_lease_is_claimed_and_the_zombie_is_fenced(store: Store) -> None:
    await create_task(store)
    assert await claim_task(store, "old", seconds=-1)
    reclaimed = await claim_task(store, "new")
    assert reclaimed is not None and reclaimed.attempts == 2
    assert not await store.leases.extend(TASK, "old", seconds=60, progress=50)
    assert not await store.leases.finish(TASK, "old", [make_result()])
    assert not await store.leases.fail(TASK, "old", {"code": "x"})
    assert not await store.leases.release(TASK, "old", charge=True)
    assert (await get_task(store)).status is Status.STARTED
    published = make_result()
    assert await store.leases.finish(TASK, "new", [published])
    task = await get_task(store)
    assert (task.status, task.progress, task.results) == (Status.SUCCESS, 100, [published])
    assert task.finished_at is not None
    assert not await store.leases.fail(TASK, "new", {"code": "x"})


async def test_extend_keeps_the_lease(store: Store) -> None:
    await create_task(store)
    assert await claim_task(store, "t", seconds=-1)
    assert [task.id for task in await store.leases.stalled()] == [TASK]
    assert await store.leases.extend(TASK, "t", seconds=60, progress=40)
    assert await store.leases.stalled() == []
    assert (await get_task(store)).progress == 40


async def test_attempts_are_limited(store: Store) -> None:
    await create_task(store)
    for number in range(2):
        assert await claim_task(store, f"t{number}", seconds=-1, attempts=2)
    assert await claim_task(store, "t3", attempts=2) is None
    assert not await store.leases.give_up(TASK, 3, {"code": "worker_crashed"})
    assert await store.leases.give_up(TASK, 2, {"code": "worker_crashed", "detail": "$oops"})
    task = await get_task(store)
    assert task.status is Status.FAILURE
    assert task.error == {"code": "worker_crashed", "detail": "$oops"}


async def test_give_up_spares_a_live_lease(store: Store) -> None:
    await create_task(store)
    assert await claim_task(store, "t", attempts=1)
    assert not await store.leases.give_up(TASK, 1, {"code": "worker_crashed"})


async def test_release_counts_the_attempt_only_if_charged(store: Store) -> None:
    await create_task(store)
    await claim_task(store, "a")
    assert await store.leases.release(TASK, "a", charge=False)
    assert (await get_task(store)).attempts == 0
    await claim_task(store, "b")
    assert await store.leases.release(TASK, "b", charge=True)
    task = await get_task(store)
    assert (task.attempts, task.status, task.lease) == (1, Status.CREATED, None)


async def test_concurrent_restarts_reset_attempts_once(store: Store) -> None:
    await create_task(store)
    await claim_task(store, "t")
    assert not await store.tasks.restart(TASK)
    await store.leases.fail(TASK, "t", {"code": "bad_image", "detail": "x"})
    outcomes = await asyncio.gather(*(store.tasks.restart(TASK) for _ in range(10)))
    assert sum(outcomes) == 1
    task = await get_task(store)
    assert (task.status, task.attempts, task.error, task.finished_at) == (
        Status.CREATED,
        0,
        None,
        None,
    )


async def test_expire_worker_ends_its_leases(store: Store) -> None:
    await create_task(store)
    await claim_task(store, "t")
    assert await store.leases.expire_worker("host:2") == 0
    assert await store.leases.expire_worker("host:1") == 1
    assert len(await store.leases.stalled()) == 1
    reclaimed = await claim_task(store, "u")
    assert reclaimed is not None and reclaimed.attempts == 2


async def test_waiting_skips_recently_enqueued_tasks(store: Store) -> None:
    await create_task(store)
    assert await store.leases.waiting(60) == []
    assert [task.id for task in await store.leases.waiting(0)] == [TASK]
    assert [await store.leases.next_enqueue_number(TASK) for _ in range(3)] == [1, 2, 3]
    (waiting,) = await store.leases.waiting(0)
    assert waiting.rung_at is not None and waiting.rings == 3
    assert await store.leases.waiting(0, waiting.rung_at) == []
    await store.leases.mark_not_enqueued(TASK)
    for found in (store.leases.waiting(60, waiting.rung_at), store.leases.next_waiting(60)):
        assert [each.rung_at for each in await found] == [None]


async def test_upload_names_are_limited(store: Store) -> None:
    await create_task(store)
    outcomes = [
        await store.tasks.add_upload(TASK, Upload(name=f"{n}.png", results=[f"{n}"]), 3)
        for n in (1, 1, 2, 3, 4)
    ]
    assert outcomes == [True, False, True, False, False]
    assert [upload.name for upload in (await get_task(store)).uploads] == [
        "cat.png",
        "1.png",
        "2.png",
    ]


async def test_result_name_has_one_holder(store: Store) -> None:
    names = store.result_names
    outcomes = await asyncio.gather(
        *(names.reserve([["a.png", f"a-{n}.png"]], f"task{n}") for n in range(20))
    )
    assert len({name for (name,) in outcomes}) == 20
    assert outcomes.count(["a.png"]) == 1
    holder = outcomes.index(["a.png"])
    assert await names.reserve([["a.png", "b.png"]], f"task{holder}") == ["a.png"]
    assert await names.find("a.png") == (f"task{holder}", 0)
    assert await names.find("nope") is None
    # Anonymous names and an owner's are separate, also for a request of /processed/ann%2Fa.png.
    assert await names.reserve([["a.png"]], "hers", "ann") == ["a.png"]
    assert await names.find("a.png", "ann") == ("hers", 0)
    assert await names.find("ann/a.png") is None


async def test_reserve_names_for_several_parts(store: Store) -> None:
    names = store.result_names
    assert await names.reserve([["b-2.png"]], "other") == ["b-2.png"]
    wanted = [[f"b-{n}.png", f"b-mark-{n}.png"] for n in (1, 2, 3)]
    for _ in range(2):  # repeated, the result is the same
        assert await names.reserve(wanted, "task") == ["b-1.png", "b-mark-2.png", "b-3.png"]
    assert await names.find("b-3.png") == ("task", 2)
    with pytest.raises(RuntimeError, match="is taken"):
        await names.reserve([["b-2.png"]], "third")


async def test_newest_of_upload(store: Store) -> None:
    for mark in ("cd" * 32, MARK):
        await create_task(store, mark)
        await store.leases.claim(mark[:32], worker="w", token="t", seconds=9, max_attempts=1)
        await store.leases.finish(mark[:32], "t", [make_result()])
    newest = await store.tasks.newest_of_upload("cat.png")
    assert newest is not None and newest.id == TASK
    assert await store.tasks.newest_of_upload("dog.png") is None


async def test_newest_of_upload_reads_at_most_100_tasks(store: Store) -> None:
    """Many deletions must not slow down every look-up by that name."""
    for mark in ("cd" * 32, MARK):
        await create_task(store, mark)
        await store.leases.claim(mark[:32], worker="w", token="t", seconds=9, max_attempts=1)
        await store.leases.finish(mark[:32], "t", [make_result()])
    database = store._database
    newest: Any = await database["tasks"].find_one({"_id": TASK})
    newest["deleted"] = [{"name": "cat-upscale-x2.png", "at": newest["finished_at"]}]
    await database["tasks"].delete_one({"_id": TASK})
    await database["tasks"].insert_many([newest | {"_id": f"{n:032}"} for n in range(99)])
    newest_task = await store.tasks.newest_of_upload("cat.png")
    assert newest_task is not None and newest_task.id == "cd" * 16
    await database["tasks"].insert_many([newest | {"_id": f"{n:032}"} for n in range(99, 300)])
    await database.command("profile", 2)
    assert await store.tasks.newest_of_upload("cat.png") is None
    await database.command("profile", 0)
    query = {"op": "query", "ns": f"{database.name}.tasks"}
    (read,) = [entry async for entry in database["system.profile"].find(query)]
    assert read["docsExamined"] <= 100 and not read.get("hasSortStage")


async def test_worker_registry_counts_live_workers(store: Store, monkeypatch: Any) -> None:
    assert await store.workers.count_alive() == 0
    await store.workers.report("a", first=True)
    await store.workers.report("a", first=True)
    await store.workers.report("b", first=True)
    assert await store.workers.count_alive() == 2
    await store.workers.remove("a")
    assert await store.workers.count_alive() == 1
    monkeypatch.setattr(worker_registry, "_ALIVE", worker_registry._seen_within(-1))
    assert await store.workers.count_alive() == 0


async def test_worker_registry_counts_engines(store: Store) -> None:
    for worker, engine in (("a", "opencv 5"), ("b", "openvino 2026"), ("c", "openvino 2026")):
        await store.workers.report(worker, engine, first=True)
    await store.workers.report("d", first=True)
    assert await store.workers.engines() == {"opencv 5": 1, "openvino 2026": 2}
