"""What a worker takes from the queue: it holds what waits, and only that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from arq.worker import func

from models.redis.queue import (
    CANCELLED_CHANNEL,
    JOB_NAME,
    QUEUED_CHANNEL,
    Queue,
    connect,
    from_json,
    to_json,
)
from models.settings import Settings
from tests.workers.queue.test_jobs import wait_until
from workers.queue.arq_worker import DarkroomWorker, PutBack

SINCE = datetime.fromtimestamp(0, UTC)
Start = Callable[..., DarkroomWorker]


@pytest.fixture
def taken() -> Counter[str]:
    return Counter()


@pytest.fixture
async def start(settings: Settings, taken: Counter[str]) -> AsyncIterator[Start]:
    """Give a function that returns a worker; its jobs last until it is closed."""
    started: list[DarkroomWorker] = []

    def create(*, kind: str = "", able: bool = True, max_jobs: int = 1) -> DarkroomWorker:
        async def process(ctx: dict[str, Any], task_id: str) -> None:
            taken[task_id] += 1
            if not able:
                worker.leave(ctx["job_id"])
                raise PutBack
            await asyncio.Event().wait()

        worker = DarkroomWorker(
            [func(process, name=JOB_NAME, max_tries=1_000_000, keep_result=0)],
            redis_pool=connect(settings.stores),
            max_jobs=max_jobs,
            handle_signals=False,
            job_serializer=to_json,
            job_deserializer=from_json,
        )
        worker.kind = kind
        started.append(worker)
        return worker

    yield create
    for worker in started:
        await worker.close()


async def enqueue(worker: DarkroomWorker, *names: str) -> None:
    queue = Queue(worker.pool, 3)
    for turn, name in enumerate(names, 1):
        assert await queue.enqueue(name, 0, turn, SINCE)


async def waiting(worker: DarkroomWorker) -> list[Any]:
    return list(await worker.pool.zrange("arq:queue", 0, -1, withscores=True))


async def test_the_queue_holds_only_what_waits(start: Start, taken: Counter[str]) -> None:
    worker, other = start(), start()
    await enqueue(worker, "a", "b", "c")
    before = await waiting(worker)
    await asyncio.gather(worker._read_queue(), other._read_queue())
    await asyncio.sleep(0)
    assert await waiting(worker) == before[2:]  # each took one, and none took the other's
    assert {*worker.tasks, *other.tasks} == {"a:0", "b:0"}
    await wait_until(lambda: taken["a"] and taken["b"])
    for task in (*worker.tasks.values(), *other.tasks.values()):  # as when the workers stop
        task.cancel()
        await asyncio.wait([task])
    assert await waiting(worker) == before  # each at its place
    assert (worker.job_counter, other.job_counter) == (0, 0)


async def test_many_jobs_of_others_hide_nothing(start: Start, taken: Counter[str]) -> None:
    """More than are read at once, twice: arq looked at the first 2,000 and started none."""
    worker = start()
    unable = [f"{number}:0" for number in range(4300)]
    await worker.pool.zadd("arq:queue", dict.fromkeys(unable, 1))
    for job_id in unable:
        worker.leave(job_id)
    await enqueue(worker, "last")
    await worker._read_queue()
    assert list(worker.tasks) == ["last:0"]
    assert len(await waiting(worker)) == len(unable)
    await wait_until(lambda: taken["last"])


async def test_one_of_a_kind_finds_out_what_all_of_it_lack(
    start: Start, taken: Counter[str]
) -> None:
    first, equal, able = (start(kind=kind, able=kind == "b") for kind in "aab")
    await enqueue(first, "a")
    async with first.pool.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(QUEUED_CHANNEL)
        await first._read_queue()
        await asyncio.wait(first.tasks.values())
        message = None
        while message is None:
            message = await heard.get_message(timeout=5)
    for worker in (equal, able):
        worker._woken.clear()
        worker._hear(message["data"])
        await worker._read_queue()
    assert (equal._woken.is_set(), able._woken.is_set()) == (False, True)
    assert (list(equal.tasks), list(able.tasks)) == ([], ["a:0"])
    await wait_until(lambda: taken["a"] == 2)


async def test_a_message_without_a_job_wakes_every_kind(start: Start) -> None:
    worker = start(kind="a")
    for message in (b"", b"a", b"\xff \xff"):
        worker._woken.clear()
        worker._hear(message)
        assert worker._woken.is_set()


async def test_an_empty_queue_is_not_read_again_for_a_free_place(
    start: Start, taken: Counter[str]
) -> None:
    worker = start()
    await enqueue(worker, "a", "b")
    await worker._read_queue()  # it takes one, and sees another
    for job_id, woken in (("a:0", True), ("b:0", False)):
        worker._woken.clear()
        worker.store_results(job_id)
        assert worker._woken.is_set() is woken
        await worker._read_queue()
    assert {*worker.tasks} == {"a:0", "b:0"}
    await wait_until(lambda: taken["a"] and taken["b"])
    await enqueue(worker, "c")
    worker._hear(b"")
    assert worker._woken.is_set()
    worker.accept_jobs(accept=False)
    await worker._read_queue()  # of nothing, while it takes none
    worker._woken.clear()
    worker.store_results("b:0")
    assert worker._woken.is_set()


async def test_a_place_that_becomes_free_during_a_read_is_used(
    start: Start, taken: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    await enqueue(worker, "a", "b", "c")
    await worker._read_queue()
    take = worker._start_job

    async def during(job_id: str) -> None:
        await take(job_id)
        worker._woken.clear()
        worker.store_results(job_id)  # as of a task that is quick: the next may start

    monkeypatch.setattr(worker, "_start_job", during)
    worker.store_results("a:0")
    await worker._read_queue()
    woken = worker._woken.is_set()
    await wait_until(lambda: all(taken[name] for name in "abc"))
    assert woken


async def test_a_message_during_a_read_is_not_lost(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    read = worker.pool.zrangebyscore

    async def late(*args: Any, **options: Any) -> Any:
        found = await read(*args, **options)
        worker._hear(b"")
        return found

    monkeypatch.setattr(worker.pool, "zrangebyscore", late)
    await worker._read_queue()
    worker._woken.clear()
    worker.store_results("a:0")
    assert worker._woken.is_set()


async def transactions(worker: DarkroomWorker) -> int:
    found = await worker.pool.info("commandstats")
    return int(found.get("cmdstat_exec", {"calls": 0})["calls"])


async def test_job_place_and_message_are_one_transaction(start: Start) -> None:
    worker = start()
    async with worker.pool.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(QUEUED_CHANNEL)
        before = await transactions(worker)
        assert await Queue(worker.pool, 3).enqueue("a", 2, 7, SINCE, short=True)
        assert await transactions(worker) == before + 1
        message = None
        while message is None:
            message = await heard.get_message(timeout=5)
    assert message["data"] == b""
    assert await waiting(worker) == [(b"a:2:short", 7001.0)]
    assert from_json(await worker.pool.get("arq:job:a:2:short"))["a"] == ["a"]
    assert 0 < await worker.pool.ttl("arq:job:a:2:short") <= 24 * 3600


async def test_a_worker_hears_which_task_is_cancelled(start: Start) -> None:
    worker = start()
    heard: asyncio.Queue[str] = asyncio.Queue()
    worker.on_cancelled = heard.put_nowait
    reading = asyncio.create_task(worker.follow_messages())
    assert [await heard.get() for _ in range(2)] == ["", ""]  # what came before was not heard
    worker._woken.clear()
    queue = Queue(worker.pool, 3)
    await queue.publish_cancelled("a")
    assert await heard.get() == "a"
    assert not worker._woken.is_set()  # the queue is as it was
    await worker.pool.publish(CANCELLED_CHANNEL, b"\xff")
    await queue.publish_cancelled("b")
    assert [await heard.get() for _ in range(2)] == ["\ufffd", "b"]
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
