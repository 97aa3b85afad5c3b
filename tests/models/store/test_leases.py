"""The ledger: claims, leases, tokens, and everything a zombie may not do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.tasks.task import Result, Status, Task, Upload

MARK = "ab" * 32
TASK = MARK[:32]


async def created(store: Store, mark: str = MARK) -> bool:
    return await store.tasks.create(
        mark,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="cat.png", results=["cat-upscale-x2.png"]),
        operations=[{"op": "upscale", "scale": 2, "model": "$name"}],
        output="png",
    )


async def claimed(store: Store, token: str, seconds: float = 60, attempts: int = 3) -> Task | None:
    return await store.leases.claim(
        TASK, worker="host:1", token=token, seconds=seconds, max_attempts=attempts
    )


def result() -> Result:
    return Result(file_id=ObjectId(), format="png", width=2, height=2, bytes=9, sha256="f" * 64)


async def got(store: Store) -> Task:
    task = await store.tasks.get(TASK)
    assert task is not None
    return task


async def test_created_once_however_often_at_once(store: Store) -> None:
    answers = await asyncio.gather(*(created(store) for _ in range(50)))
    assert sum(answers) == 1
    task = await got(store)
    assert task.status is Status.CREATED
    assert task.operations[0]["model"] == "$name"  # client text is never an expression
    assert not task.ended


async def test_claimed_by_one(store: Store) -> None:
    await created(store)
    claims = await asyncio.gather(*(claimed(store, f"t{n}") for n in range(20)))
    winners = [task for task in claims if task]
    assert len(winners) == 1
    assert (winners[0].status, winners[0].attempts) == (Status.STARTED, 1)
    assert winners[0].started_at is not None


async def test_dead_lease_is_claimed_and_the_zombie_changes_nothing(store: Store) -> None:
    await created(store)
    assert await claimed(store, "old", seconds=-1)
    again = await claimed(store, "new")
    assert again is not None and again.attempts == 2
    assert not await store.leases.extend(TASK, "old", seconds=60, progress=50)
    assert not await store.leases.finish(TASK, "old", [result()])
    assert not await store.leases.fail(TASK, "old", {"code": "x"})
    assert not await store.leases.release(TASK, "old", charge=True)
    assert (await got(store)).status is Status.STARTED
    good = result()
    assert await store.leases.finish(TASK, "new", [good])
    task = await got(store)
    assert (task.status, task.progress, task.results) == (Status.SUCCESS, 100, [good])
    assert task.finished_at is not None
    assert not await store.leases.fail(TASK, "new", {"code": "x"})


async def test_heartbeat_keeps_the_lease(store: Store) -> None:
    await created(store)
    assert await claimed(store, "t", seconds=-1)
    assert [task.id for task in await store.leases.stalled()] == [TASK]
    assert await store.leases.extend(TASK, "t", seconds=60, progress=40)
    assert await store.leases.stalled() == []
    assert (await got(store)).progress == 40


async def test_attempts_are_limited(store: Store) -> None:
    await created(store)
    for number in range(2):
        assert await claimed(store, f"t{number}", seconds=-1, attempts=2)
    assert await claimed(store, "t3", attempts=2) is None
    assert not await store.leases.give_up(TASK, 3, {"code": "worker_crashed"})
    assert await store.leases.give_up(TASK, 2, {"code": "worker_crashed", "detail": "$oops"})
    task = await got(store)
    assert task.status is Status.FAILURE
    assert task.error == {"code": "worker_crashed", "detail": "$oops"}


async def test_a_live_lease_is_not_given_up(store: Store) -> None:
    await created(store)
    assert await claimed(store, "t", attempts=1)
    assert not await store.leases.give_up(TASK, 1, {"code": "worker_crashed"})


async def test_release_charges_only_what_is_due(store: Store) -> None:
    await created(store)
    await claimed(store, "a")
    assert await store.leases.release(TASK, "a", charge=False)
    assert (await got(store)).attempts == 0
    await claimed(store, "b")
    assert await store.leases.release(TASK, "b", charge=True)
    task = await got(store)
    assert (task.attempts, task.status, task.lease) == (1, Status.CREATED, None)


async def test_revived_once_with_attempts_reset(store: Store) -> None:
    await created(store)
    await claimed(store, "t")
    assert not await store.tasks.revive(TASK)
    await store.leases.fail(TASK, "t", {"code": "bad_image", "detail": "x"})
    answers = await asyncio.gather(*(store.tasks.revive(TASK) for _ in range(10)))
    assert sum(answers) == 1
    task = await got(store)
    assert (task.status, task.attempts, task.error, task.finished_at) == (
        Status.CREATED,
        0,
        None,
        None,
    )


async def test_expiring_a_dead_workers_leases(store: Store) -> None:
    await created(store)
    await claimed(store, "t")
    assert await store.leases.expire("host:2") == 0
    assert await store.leases.expire("host:1") == 1
    assert len(await store.leases.stalled()) == 1
    again = await claimed(store, "u")
    assert again is not None and again.attempts == 2


async def test_waiting_tasks_are_asked_for_once_in_a_while(store: Store) -> None:
    await created(store)
    assert await store.leases.waiting(60) == []
    assert [task.id for task in await store.leases.waiting(0)] == [TASK]
    assert [await store.leases.next_ring(TASK) for _ in range(3)] == [1, 2, 3]
    await store.leases.seen_ringing([TASK])
    assert await store.leases.waiting(60) == []


async def test_names_of_the_same_bytes_are_limited(store: Store) -> None:
    await created(store)
    answers = [
        await store.tasks.add_upload(TASK, Upload(name=f"{n}.png", results=[f"{n}"]), 3)
        for n in (1, 1, 2, 3, 4)
    ]
    assert answers == [True, False, True, False, False]
    assert [upload.name for upload in (await got(store)).uploads] == ["cat.png", "1.png", "2.png"]


async def test_a_result_name_has_one_holder(store: Store) -> None:
    names = store.names
    answers = await asyncio.gather(
        *(names.reserve([["a.png", f"a-{n}.png"]], f"task{n}") for n in range(20))
    )
    assert len({name for (name,) in answers}) == 20
    assert answers.count(["a.png"]) == 1
    holder = answers.index(["a.png"])
    assert await names.reserve([["a.png", "b.png"]], f"task{holder}") == ["a.png"]
    assert await names.find("a.png") == (f"task{holder}", 0)
    assert await names.find("nope") is None
    # Nobody's names and an owner's are apart, also for who asks for /processed/ann%2Fa.png.
    assert await names.reserve([["a.png"]], "hers", "ann") == ["a.png"]
    assert await names.find("a.png", "ann") == ("hers", 0)
    assert await names.find("ann/a.png") is None


async def test_names_of_several_parts_are_reserved_at_once(store: Store) -> None:
    names = store.names
    assert await names.reserve([["b-2.png"]], "other") == ["b-2.png"]
    wanted = [[f"b-{n}.png", f"b-mark-{n}.png"] for n in (1, 2, 3)]
    for _ in range(2):  # asked again it is the same
        assert await names.reserve(wanted, "task") == ["b-1.png", "b-mark-2.png", "b-3.png"]
    assert await names.find("b-3.png") == ("task", 2)
    with pytest.raises(RuntimeError, match="is taken"):
        await names.reserve([["b-2.png"]], "third")


async def test_endings_are_told(store: Store) -> None:
    await created(store)
    async with store.tasks.endings() as endings:
        await claimed(store, "t")
        await store.leases.extend(TASK, "t", seconds=9, progress=1)
        await store.leases.finish(TASK, "t", [result()])
        assert await anext(endings) == TASK


async def test_newest_of_a_name(store: Store) -> None:
    for mark in ("cd" * 32, MARK):
        await created(store, mark)
        await store.leases.claim(mark[:32], worker="w", token="t", seconds=9, max_attempts=1)
        await store.leases.finish(mark[:32], "t", [result()])
    newest = await store.tasks.newest("cat.png")
    assert newest is not None and newest.id == TASK
    assert await store.tasks.newest("dog.png") is None


async def test_the_newest_of_a_name_is_looked_for_in_bounds(store: Store) -> None:
    """Who deletes much must not make every look-up by that name walk through all of it."""
    for mark in ("cd" * 32, MARK):
        await created(store, mark)
        await store.leases.claim(mark[:32], worker="w", token="t", seconds=9, max_attempts=1)
        await store.leases.finish(mark[:32], "t", [result()])
    database = store._database
    newest: Any = await database["tasks"].find_one({"_id": TASK})
    newest["deleted"] = [{"name": "cat-upscale-x2.png", "at": newest["finished_at"]}]
    await database["tasks"].delete_one({"_id": TASK})
    await database["tasks"].insert_many([newest | {"_id": f"{n:032}"} for n in range(99)])
    found = await store.tasks.newest("cat.png")
    assert found is not None and found.id == "cd" * 16
    await database["tasks"].insert_many([newest | {"_id": f"{n:032}"} for n in range(99, 300)])
    await database.command("profile", 2)
    assert await store.tasks.newest("cat.png") is None
    await database.command("profile", 0)
    mine = {"op": "query", "ns": f"{database.name}.tasks"}
    (read,) = [each async for each in database["system.profile"].find(mine)]
    assert read["docsExamined"] <= 100 and not read.get("hasSortStage")


async def test_presence(store: Store, monkeypatch: Any) -> None:
    assert await store.presence.alive(5) == 0
    await store.presence.here("a")
    await store.presence.here("a")
    await store.presence.here("b")
    assert await store.presence.alive(5) == 2
    assert await store.presence.alive(-1) == 0
    await store.presence.gone("a")
    assert await store.presence.alive(5) == 1


async def test_workers_say_what_they_upscale_with(store: Store) -> None:
    for worker, engine in (("a", "opencv 5"), ("b", "openvino 2026"), ("c", "openvino 2026")):
        await store.presence.here(worker, engine)
    await store.presence.here("d")
    assert await store.presence.engines(5) == {"opencv 5": 1, "openvino 2026": 2}
    assert await store.presence.engines(-1) == {}
