"""The sweep: tasks never enqueued, stalled or out of attempts, and a Redis that hangs."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.free_space import FreeSpace
from models.networks.catalogue import Catalogue
from models.redis import connection as redis_connection
from models.redis.queue import Queue, connect
from models.settings import Settings
from models.store import Store
from models.store.tasks import leases as leases_module
from service.app import create_app
from tests.conftest import working
from tests.models.store.test_change_stream import create
from tests.support import images
from tests.workers.queue.test_jobs import wait_until
from workers.background import sweep as sweep_module
from workers.child.memory_semaphore import MemorySemaphore
from workers.child.pool import ChildPool
from workers.context import WorkerContext

Send = Callable[..., Awaitable[Any]]


async def test_sweep_enqueues_a_task_that_was_never_enqueued(
    settings: Settings, store: Store, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from standalone.embedded_stores import free_port

    away = settings.replace(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    client = await aiohttp_client(create_app(away))
    monkeypatch.setattr(sweep_module, "_MIN_WAITING_SECONDS", 0.05)
    async with working(settings):
        form = images.form(images.png(), "cat.png")
        body = await (await client.post("/upscale?wait=30", data=form)).json()
    assert body["status"] == "SUCCESS"


async def test_sweep_reenqueues_after_a_wiped_redis(
    send: Send, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [await (await send(images.png(seed=n), f"{n}.png")).json() for n in range(5)]
    redis = connect(settings.stores)
    assert await redis.zcard("arq:queue") == 5
    await redis.flushdb()
    await redis.aclose(close_connection_pool=True)
    monkeypatch.setattr(sweep_module, "_MIN_WAITING_SECONDS", 0.05)
    async with working(settings):
        for number, body in enumerate(bodies):
            done = await (await send(images.png(seed=number), f"{number}.png", "?wait=30")).json()
            assert (done["task_id"], done["status"]) == (body["task_id"], "SUCCESS")


async def test_sweep_reenqueues_at_once_when_redis_lost_its_mark(
    send: Send, settings: Settings, store: Store
) -> None:
    """It does not wait until tasks are overdue: the mark in every Redis in use is missing."""
    bodies = [await (await send(images.png(seed=n), f"{n}.png")).json() for n in range(5)]
    redis = connect(settings.stores)
    jobs_before = await redis.zrange("arq:queue", 0, -1)
    worker = idle_worker(settings, store, redis, Path())
    assert await sweep_module.sweep_once(worker) == 0  # a Redis without the mark, but with all jobs
    await redis.flushdb()
    assert await sweep_module.sweep_once(worker) == 5
    jobs_after = await redis.zrange("arq:queue", 0, -1)
    assert [job[:32] for job in jobs_after] == [job[:32] for job in jobs_before]
    assert {job[:32].decode() for job in jobs_after} == {body["task_id"] for body in bodies}
    assert await sweep_module.sweep_once(worker) == 0
    await redis.aclose(close_connection_pool=True)


async def test_sweep_reenqueues_a_job_of_a_worker_that_died_before_its_claim(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker takes a job out of the queue before it claims the task."""
    body = await (await send()).json()
    redis = connect(settings.stores)
    assert await redis.zrem("arq:queue", f"{body['task_id']}:0:short")
    await redis.aclose(close_connection_pool=True)
    monkeypatch.setattr(sweep_module, "_MIN_WAITING_SECONDS", 0.05)
    async with working(settings):
        done = await (await send(query="?wait=30")).json()
    assert done["status"] == "SUCCESS"
    task = await store.tasks.get(body["task_id"])
    assert task is not None and task.rings > 0


async def test_sweep_does_not_reenqueue_queued_tasks(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await send(images.png(seed=number), f"{number}.png")
    monkeypatch.setattr(sweep_module, "_MIN_WAITING_SECONDS", -1)
    redis = connect(settings.stores)
    worker = idle_worker(settings, store, redis, Path())
    assert await sweep_module.sweep_once(worker) == 0
    assert await redis.zcard("arq:queue") == 5
    await redis.aclose(close_connection_pool=True)


async def test_sweep_looks_at_a_long_queue_part_by_part(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks that are served next each time; in as many sweeps as there are parts, each."""
    monkeypatch.setattr(sweep_module, "_MIN_WAITING_SECONDS", -1)
    monkeypatch.setattr(leases_module, "_MAX_NEXT", 2)
    for module in (leases_module, sweep_module):
        monkeypatch.setattr(module, "MAX_SWEPT", 4)
    settings = settings.replace(sweep_interval_seconds=60)
    redis = connect(settings.stores)
    worker = idle_worker(settings, store, redis, Path())
    assert await sweep_module.sweep_if_due(worker) == 0
    ids = [await create(store, number) for number in range(9)]
    await store._database["tasks"].update_many({}, [{"$set": {"rung_at": "$$NOW"}}])
    for number, task_id in enumerate(ids):
        at = datetime.fromtimestamp(1e9 + number // 2, UTC)  # two each, as of the same moment
        served = {"turn": 100 - number, "rung_at": at}
        await store._database["tasks"].update_one({"_id": task_id}, {"$set": served})
    asked: list[int] = []
    are_queued = worker.queue.are_queued

    async def counted(jobs: Any) -> list[bool]:
        asked.append(len(jobs))
        return await are_queued(jobs)

    monkeypatch.setattr(worker.queue, "are_queued", counted)
    assert await sweep_module.sweep_if_due(worker) == 0  # another has swept just now
    assert [await sweep_module.sweep_once(worker) for _ in range(4)] == [6, 3, 0, 0]
    await redis.zrem("arq:queue", *await redis.zrange("arq:queue", 0, -1))
    assert max(asked) == 6
    lost = [await sweep_module.sweep_once(worker) for _ in range(4)]
    assert sum(lost) == 9 and max(lost) < 9
    await redis.aclose(close_connection_pool=True)


async def test_who_sweeps_looks_at_the_outboxes(settings: Settings, store: Store) -> None:
    redis = connect(settings.stores)
    settings = settings.replace(sweep_interval_seconds=60)
    first, second = (idle_worker(settings, store, redis, Path()) for _ in range(2))
    for worker in (first, second):
        await sweep_module.sweep_if_due(worker)
    due = [(each.email_due.is_set(), each.webhook_due.is_set()) for each in (first, second)]
    assert due == [(True, True), (False, False)]
    await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize(("workers", "chance", "looks"), [(4, 1, 1), (40, 0.09, 1), (40, 0.11, 0)])
async def test_of_many_workers_some_look_whether_a_sweep_is_due(
    settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    chance: float,
    looks: int,
) -> None:
    for number in range(workers):
        await store.workers.report(f"w{number}", first=True)
    looked: list[str] = []

    async def acquire(job: str, *_: Any) -> bool:
        looked.append(job)
        return False

    redis = connect(settings.stores)
    worker = idle_worker(settings, store, redis, Path())
    monkeypatch.setattr(worker.store.periodic_lock, "acquire", acquire)
    monkeypatch.setattr(random, "random", lambda: chance)
    await sweep_module.sweep_if_due(worker)
    assert looked == ["sweep"] * looks
    await redis.aclose(close_connection_pool=True)


async def test_task_of_a_silent_worker_is_reclaimed(
    send: Send, settings: Settings, store: Store
) -> None:
    body = await (await send()).json()
    await store.leases.claim(body["task_id"], worker="dead", token="t", seconds=0.3, max_attempts=3)
    leftover = await store.results.put(
        io.BytesIO(b"half"), "x", {"task_id": body["task_id"], "token": "t"}
    )

    async def collected() -> bool:  # after the task has ended: no response waits for it
        return await store._database["results.files"].find_one({"_id": leftover}) is None

    async with working(settings):
        done = await (await send(query="?wait=30")).json()
        await wait_until(collected)
    assert done["status"] == "SUCCESS"
    task = await store.tasks.get(body["task_id"])
    assert task is not None and task.attempts == 2


async def test_task_out_of_attempts_fails(send: Send, settings: Settings, store: Store) -> None:
    body = await (await send()).json()
    for number in range(3):
        await store.leases.claim(
            body["task_id"], worker="dead", token=f"{number}", seconds=-1, max_attempts=3
        )
    waiting: Any = asyncio.ensure_future(send(query="?wait=30"))
    async with working(settings):
        done = await (await waiting).json()
    assert done["status"] == "FAILURE"
    assert done["error"]["code"] == "worker_crashed"


async def new_client_score(redis: Any, send: Send) -> float:
    """Return the score of a new client's task in arq's queue."""
    body = await (await send(images.png(seed=99), "new.png")).json()
    return float(await redis.zscore("arq:queue", f"{body['task_id']}:0:short"))


def idle_worker(settings: Settings, store: Store, redis: Any, scratch: Path) -> WorkerContext:
    """Return a worker context that takes no jobs, to sweep alone."""
    children, catalogue, room = ChildPool(settings), Catalogue.read(None), MemorySemaphore(10**9)
    space = FreeSpace(settings.uploads, store, "the worker", scratch)
    queue = Queue(redis, 3)
    return WorkerContext("w", settings, store, queue, children, catalogue, scratch, room, space)


async def test_stalled_task_is_reenqueued_once(
    send: Send, settings: Settings, store: Store, tmp_path: Path
) -> None:
    body = await (await send()).json()
    task_id = body["task_id"]
    redis = connect(settings.stores)
    await redis.flushdb()  # the job was taken by the worker that died
    await store.leases.claim(task_id, worker="dead", token="t", seconds=-1, max_attempts=3)
    worker = idle_worker(settings, store, redis, tmp_path)
    assert [await sweep_module.sweep_once(worker) for _ in range(4)] == [1, 0, 0, 0]
    ((job, score),) = await redis.zrange("arq:queue", 0, -1, withscores=True)
    assert job.decode() == f"{task_id}:1:short"
    assert score < 1000 <= await new_client_score(redis, send)  # it had its turn already
    await redis.aclose(close_connection_pool=True)


async def test_waiting_task_without_attempts_fails(
    send: Send, settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = await (await send()).json()
    await store.leases.claim(body["task_id"], worker="w", token="t", seconds=9, max_attempts=9)
    await store.leases.release(body["task_id"], "t", charge=True)
    redis = connect(settings.stores)
    lower = settings.replace(max_attempts=1)
    await sweep_module.sweep_once(idle_worker(lower, store, redis, tmp_path))
    task = await store.tasks.get(body["task_id"])
    assert task is not None and task.status == "FAILURE"
    await redis.aclose(close_connection_pool=True)


async def test_unresponsive_redis_times_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "AWAY_SECONDS", 3600)
    held: list[Any] = []
    server = await asyncio.start_server(lambda r, w: held.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    frozen = settings.replace(redis_url=f"redis://127.0.0.1:{port}/0", store_timeout=0.2)
    queue = Queue.open(frozen.stores)
    async with asyncio.timeout(20):
        assert not await queue.enqueue("t", 0, 1, datetime.now(UTC))
        connections = len(held)
        with pytest.raises(StoreUnavailable):
            await queue.ping()
        with pytest.raises(StoreUnavailable):
            await queue.are_queued(["t:0"])
        assert len(held) == connections  # for AWAY_SECONDS it is not asked again
    await queue.close()
    for writer in held:
        writer.close()
    server.close()


async def test_a_sweep_without_open_tasks_asks_for_none(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = connect(settings.stores)
    worker = idle_worker(settings, store, redis, tmp_path)

    async def never() -> Any:
        raise AssertionError

    monkeypatch.setattr(store.leases, "stalled", never)
    assert await sweep_module.sweep_once(worker) == 0
    await redis.aclose(close_connection_pool=True)
