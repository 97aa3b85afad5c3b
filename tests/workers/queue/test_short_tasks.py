"""A short task does not wait for long ones, and clients share the workers by work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from models import work_estimate
from models.errors import TooMuchWork
from models.settings import Settings
from models.store import Store
from models.store.files.gridfs import FileBucket
from service.app import create_app
from tests.conftest import working
from tests.support import images
from tests.support.task_factory import got
from tests.workers.queue.test_jobs import (
    Send,
    send_to_halted_child,
    started_worker,
    wait_until,
    worker_of,
)
from workers.child import pool


@asynccontextmanager
async def predicted_long(seconds: float = 0.0) -> AsyncIterator[None]:
    """Let submitted tasks count as long; ``seconds``: for each turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work_estimate, "SHORT_SECONDS", 0)
        if seconds:
            patch.setattr(work_estimate, "SECONDS_PER_TURN", seconds)
        yield


async def test_short_task_passes_long_ones(send: Send, settings: Settings, store: Store) -> None:
    async with working(settings) as arq:
        async with predicted_long():
            long_id, halted = await send_to_halted_child(send, arq)
            second = await (await send(images.png(seed=1), "second.png")).json()
        for seed in (2, 3):
            done = await (await send(images.png(seed=seed), f"{seed}.png", "?wait=30")).json()
            assert done["status"] == "SUCCESS"
        assert (await got(store, long_id)).status == "STARTED"
        assert (await got(store, second["task_id"])).status == "CREATED"
        os.kill(halted, signal.SIGCONT)
        await wait_until(lambda: worker_of(arq).done == 4)


async def test_only_one_short_task_more_runs(send: Send, settings: Settings, store: Store) -> None:
    async with working(settings) as arq:
        async with predicted_long():
            _, halted = await send_to_halted_child(send, arq)
        assert (await (await send(images.png(seed=1), "1.png", "?wait=30")).json())["progress"]
        worker = await started_worker(arq)
        (lane,) = {pid for pid in worker.children.pids if pid != halted}
        os.kill(lane, signal.SIGSTOP)
        running = await (await send(images.png(seed=2), "2.png")).json()
        await wait_until(lambda: worker.children.states.get(lane))
        waiting = await (await send(images.png(seed=3), "3.png")).json()
        await wait_until(lambda: arq.job_counter == 2)  # the first one may only now end
        assert (await got(store, running["task_id"])).status == "STARTED"
        assert (await got(store, waiting["task_id"])).status == "CREATED"
        for pid in (lane, halted):
            os.kill(pid, signal.SIGCONT)
        await wait_until(lambda: worker.done == 4)


async def test_task_that_is_not_short_gives_its_child_back(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong prediction costs the task no attempt; from then on it counts as long."""
    monkeypatch.setattr(pool, "_SHORT_TIMEOUT_SECONDS", 0.2)
    async with working(settings) as arq:
        (halted,) = (await started_worker(arq)).children.pids
        os.kill(halted, signal.SIGSTOP)  # it is killed, not continued
        task_id = (await (await send()).json())["task_id"]
        await wait_until(lambda: worker_of(arq).done == 1)
    task = await got(store, task_id)
    assert (task.status, task.attempts, task.work.short) == ("SUCCESS", 1, False)
    assert "not_short" in {entry.cause for entry in task.timeline}


async def test_long_tasks_take_several_turns(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    client = await aiohttp_client(create_app(settings.replace(proxies=1)))

    async def turn(seed: int, address: str) -> int:
        form = images.form(images.png(seed=seed), f"{seed}.png")
        headers = {"X-Forwarded-For": address}
        body = await (await client.post("/grayscale", data=form, headers=headers)).json()
        return (await got(store, body["task_id"])).turn

    async with predicted_long(seconds=0.00008):  # a grayscale is predicted to take 0.00019 s
        long_turns = [await turn(seed, "198.51.100.1") for seed in range(3)]
    short_turns = [await turn(seed, "198.51.100.2") for seed in range(3, 6)]
    assert (long_turns, short_turns) == ([1, 4, 7], [1, 2, 3])


async def test_turns_count_against_the_limit_of_a_client(
    settings: Settings, aiohttp_client: Any
) -> None:
    tight = settings.replace(max_queue_per_client=4)
    client = await aiohttp_client(create_app(tight))
    async with predicted_long(seconds=0.00008):
        responses = [
            await client.post("/grayscale", data=images.form(images.png(seed=n), f"{n}.png"))
            for n in range(3)
        ]
    body = await responses[2].json()
    assert [response.status for response in responses] == [202, 202, 429]
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_QUEUE_PER_CLIENT", 4, 6)


async def test_too_much_work_is_refused(settings: Settings, aiohttp_client: Any) -> None:
    client = await aiohttp_client(create_app(settings.replace(task_timeout=0.00005)))
    refused = await client.post("/grayscale", data=images.form(images.png(), "a.png"))
    body = await refused.json()
    assert (refused.status, body["code"]) == (422, TooMuchWork.code)
    assert body["setting"] == "TASK_TIMEOUT"


async def test_a_child_works_while_results_are_stored(
    send: Send, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one child: the next task starts before the results of the first are in MongoDB."""
    stored, put = asyncio.Event(), FileBucket.put

    async def put_late(bucket: FileBucket, *given: Any) -> Any:
        await stored.wait()
        return await put(bucket, *given)

    monkeypatch.setattr(FileBucket, "put", put_late)
    async with working(settings) as arq:
        worker = await started_worker(arq)
        for seed in range(3):
            await send(images.png(seed=seed), f"{seed}.png")
        await wait_until(lambda: sum(each.publishing for each in worker.attempts) >= 2)
        stored.set()
        await wait_until(lambda: worker.done == 3)
