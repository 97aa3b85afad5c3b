"""DELETE /tasks/<id> and POST /tasks/<id>/retry: stopping, fencing, notification."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psutil
import pytest

from models.settings import Settings
from models.store import Store
from service.events.long_poll import COMPLETION_WAITER
from tests.conftest import working
from tests.support import images
from tests.workers.queue.test_jobs import (
    send_to_halted_child,
    started_worker,
    wait_until,
)
from workers.queue import execute

Send = Callable[..., Awaitable[Any]]


@pytest.fixture
async def patient_worker(settings: Settings) -> AsyncIterator[Any]:
    """A worker whose heartbeats, a third of a lease apart, notice nothing during a test."""
    async with working(settings.replace(lease_seconds=3600)) as started:
        yield started


async def count_result_documents(store: Store) -> int:
    database = store._database
    return int(
        await database["results.files"].count_documents({})
        + await database["results.chunks"].count_documents({})
    )


async def test_cancel_before_start(
    client: Any, send: Send, settings: Settings, store: Store
) -> None:
    body = await (await send()).json()
    response = await client.delete(f"/tasks/{body['task_id']}")
    cancelled = await response.json()
    assert (response.status, cancelled["status"]) == (200, "CANCELLED")
    assert cancelled["error"]["code"] == "cancelled"
    assert cancelled["finished_at"] and not cancelled["started_at"]
    async with working(settings) as arq:
        await wait_until(lambda: arq.jobs_complete == 1)  # the job ran without a task to claim
        task = await store.tasks.get(body["task_id"])
        assert task is not None and (task.status, task.attempts) == ("CANCELLED", 0)


async def test_cancel_kills_the_child_process(
    client: Any, send: Send, store: Store, patient_worker: Any
) -> None:
    queue_worker = await started_worker(patient_worker)
    task_id, busy = await send_to_halted_child(send, patient_worker)
    waiting = asyncio.create_task(client.get(f"/tasks/{task_id}?wait=60"))
    await wait_until(lambda: client.app[COMPLETION_WAITER]._waiters)
    response = await client.delete(f"/tasks/{task_id}")
    assert response.status == 200
    assert (await (await waiting).json())["status"] == "CANCELLED"
    await wait_until(lambda: not psutil.pid_exists(busy))
    await wait_until(lambda: queue_worker.children.pids and not queue_worker.attempts)
    assert await count_result_documents(store) == 0
    good = await (await send(query="?wait=30")).json()
    assert good["status"] == "SUCCESS"


async def test_cancel_while_publishing_deletes_stored_results(
    client: Any, send: Send, store: Store, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_worker = await started_worker(worker)
    stored, cancelled = asyncio.Event(), asyncio.Event()
    store_one = execute._store_result

    async def store_and_pause(*given: Any) -> Any:
        result = await store_one(*given)
        stored.set()
        await cancelled.wait()
        return result

    monkeypatch.setattr(execute, "_store_result", store_and_pause)
    body = await (await send()).json()
    await stored.wait()
    assert await count_result_documents(store) > 0
    assert (await client.delete(f"/tasks/{body['task_id']}")).status == 200
    (attempt,) = queue_worker.attempts
    await attempt.lost.wait()
    cancelled.set()
    await wait_until(lambda: not queue_worker.attempts)
    assert await count_result_documents(store) == 0
    shown = await (await client.get(f"/tasks/{body['task_id']}")).json()
    assert (shown["status"], shown["results"]) == ("CANCELLED", [])


async def test_concurrent_cancel_and_finish_exclude_each_other(
    client: Any, send: Send, store: Store
) -> None:
    statuses = set()
    for number in range(30):
        body = await (await send(images.png(seed=number), f"{number}.png")).json()
        task_id = body["task_id"]
        await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=1)
        finishing = asyncio.ensure_future(store.leases.finish(task_id, "t", []))
        for _ in range(number % 6):  # vary which of the two comes first
            await asyncio.sleep(0)
        response = await client.delete(f"/tasks/{task_id}")
        finished = await finishing
        assert finished == (response.status == 409)
        shown = await (await client.get(f"/tasks/{task_id}")).json()
        assert shown["status"] == ("SUCCESS" if finished else "CANCELLED")
        statuses.add(shown["status"])
    assert statuses <= {"SUCCESS", "CANCELLED"}


async def test_cancelled_task_refuses_the_old_token(client: Any, send: Send, store: Store) -> None:
    task_id = (await (await send()).json())["task_id"]
    await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=3)
    assert (await client.delete(f"/tasks/{task_id}")).status == 200
    assert not await store.leases.extend(task_id, "t", seconds=9, progress=5)
    assert not await store.leases.finish(task_id, "t", [])
    assert not await store.leases.release(task_id, "t", charge=True)
    assert (
        await store.leases.claim(task_id, worker="w", token="u", seconds=9, max_attempts=3) is None
    )


async def test_cancel_and_retry_refuse_wrong_states_and_unknown_tasks(
    client: Any, send: Send, store: Store
) -> None:
    for method, path in (("DELETE", "/tasks/nope"), ("POST", "/tasks/nope/retry")):
        response = await client.request(method, path)
        assert (response.status, (await response.json())["code"]) == (404, "not_found")
    task_id = (await (await send()).json())["task_id"]
    early = await client.post(f"/tasks/{task_id}/retry")
    refused = await early.json()
    assert (early.status, refused["code"], refused["measured"]) == (409, "wrong_status", "CREATED")
    assert refused["allowed"] == ["CANCELLED", "FAILURE"]
    await client.delete(f"/tasks/{task_id}")
    again = await client.delete(f"/tasks/{task_id}")
    refused = await again.json()
    assert (again.status, refused["measured"]) == (409, "CANCELLED")
    assert "only a task that is CREATED or STARTED can be cancelled" in refused["detail"]
    assert (await client.delete(f"/tasks/{task_id}?force=1")).status == 422


async def test_retry_restarts_a_cancelled_task(
    client: Any, send: Send, store: Store, worker: Any
) -> None:
    done = (await (await send(images.png(seed=1), query="?wait=30")).json())["task_id"]
    response = await client.post(f"/tasks/{done}/retry")
    assert (response.status, (await response.json())["measured"]) == (409, "SUCCESS")
    slow, _ = await send_to_halted_child(send, worker)
    assert (await client.delete(f"/tasks/{slow}")).status == 200
    response = await client.post(f"/tasks/{slow}/retry")
    body = await response.json()
    assert (response.status, body["error"]) == (202, None)
    assert body["status"] in {"CREATED", "STARTED"}  # the worker may have it already
    ended = body
    while ended["status"] in {"CREATED", "STARTED"}:
        ended = await (await client.get(f"/tasks/{slow}?wait=60")).json()
    assert (ended["status"], ended["progress"]) == ("SUCCESS", 100)
    task = await store.tasks.get(slow)
    assert task is not None and task.attempts == 1


async def test_resubmission_restarts_a_cancelled_task(
    client: Any, send: Send, settings: Settings
) -> None:
    body = await (await send()).json()
    await client.delete(f"/tasks/{body['task_id']}")
    async with working(settings):
        again = await (await send(query="?wait=30")).json()
    assert (again["task_id"], again["status"]) == (body["task_id"], "SUCCESS")


async def test_group_with_a_cancelled_task(client: Any, settings: Settings) -> None:
    form = images.form(images.png(seed=1), "a.png")
    form.add_field("image", images.png(seed=2), filename="b.png", content_type="image/png")
    group = await (await client.post("/upscale", data=form)).json()
    first, second = group["tasks"]
    await client.delete(f"/tasks/{first['task_id']}")
    async with working(settings):
        shown = await (await client.get(f"/status/{group['group_id']}?wait=30")).json()
    assert (shown["status"], shown["done"], shown["failed"]) == ("FAILURE", 2, 1)
    assert [task["status"] for task in shown["tasks"]] == ["CANCELLED", "SUCCESS"]
    assert shown["tasks"][1]["task_id"] == second["task_id"]
    archive = await (await client.get(shown["archive_url"])).read()
    assert b"b-upscale-x2.png" in archive and b"(cancelled)" in archive


async def test_worker_that_lost_redis_checks_its_leases_afterwards(
    client: Any, send: Send, store: Store, patient_worker: Any
) -> None:
    queue_worker = await started_worker(patient_worker)
    task_id, busy = await send_to_halted_child(send, patient_worker)
    await store.tasks.cancel(task_id, {"code": "cancelled"})  # without a message
    await patient_worker.pool.client_kill_filter(_type="pubsub")
    await wait_until(lambda: not queue_worker.attempts)
    await wait_until(lambda: not psutil.pid_exists(busy))


async def test_cancel_between_a_claim_and_its_attempt(
    client: Any, send: Send, patient_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_worker = await started_worker(patient_worker)
    (child,) = queue_worker.children.pids
    os.kill(child, signal.SIGSTOP)  # otherwise the task could end before it is looked at
    leases = queue_worker.store.leases
    claim = leases.claim

    async def claim_and_cancel(task_id: str, **options: Any) -> Any:
        task, heard = await claim(task_id, **options), queue_worker.cancellations
        assert (await client.delete(f"/tasks/{task_id}")).status == 200
        await wait_until(lambda: queue_worker.cancellations > heard)
        return task

    monkeypatch.setattr(leases, "claim", claim_and_cancel)
    await send()
    await wait_until(lambda: patient_worker.jobs_complete == 1)
    assert not queue_worker.attempts
