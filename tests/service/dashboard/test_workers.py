"""The dashboard API: what a worker does, drain and resume."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

from models.settings import Settings
from models.store import Store
from models.tasks.task import Status
from tests.conftest import Client, working
from tests.support import images
from tests.support.dashboard_api import api
from tests.support.task_factory import got
from tests.workers.queue.test_jobs import send_to_halted_child, started_worker, wait_until


async def test_a_worker_says_what_it_does_and_drains(
    client: Client, settings: Settings, store: Store, send: Any
) -> None:
    async with working(settings) as arq:
        worker = await started_worker(arq)
        task_id, halted = await send_to_halted_child(send, arq)

        async def shown() -> dict[str, Any]:
            found = (await api(client, "workers"))["workers"]
            return next((each for each in found if each["name"] == worker.name), {"tasks": ()})

        async def at_work() -> bool:
            said = await shown()
            return [each["task_id"] for each in said["tasks"]] == [task_id]

        await wait_until(at_work, 60)
        said = await shown()
        assert (said["state"], said["in_hand"], said["done"]) == ("running", 1, 0)
        assert [child["state"] for child in said["children"]] == ["busy"]
        assert said["memory"]["worker"] > 1_000_000 < said["memory"]["children"]
        assert said["engine"] and said["started_at"] and said["load"] >= 0
        queue = await api(client, "queue")
        # A running task does not wait, and its job has left Redis.
        assert (queue["waiting"], queue["running"], queue["rings"]) == (0, 1, 0)
        response = await client.post(f"/dashboard/api/workers/{worker.name}/drain")
        assert response.status == 202
        os.kill(halted, signal.SIGCONT)
        await wait_until(partial(_is, shown, "drained"), 60)
        # It finished its task; a new task waits.
        assert (await got(store, task_id)).status is Status.SUCCESS
        second = (await (await send(images.png(seed=2), "second.png")).json())["task_id"]
        now = await api(client, "queue")
        assert [each["code"] for each in now["alarms"]] == ["all_drained"]
        assert (await got(store, second)).status is Status.CREATED
        assert (await shown())["done"] == 1
        await client.post(f"/dashboard/api/workers/{worker.name}/resume")

        async def done() -> bool:
            return (await got(store, second)).status is Status.SUCCESS

        await wait_until(done, 60)
        task = await got(store, second)
        assert task.stages is not None
        assert list(task.stages) == ["fetch", "wait", "decode", "upscale", "encode", "publish"]
        assert [e.what for e in task.timeline] == ["claimed", "finished"]
        await store.workers.set_drain(worker.name, drain=True)
    assert (await api(client, "workers"))["workers"] == []
    async with working(settings) as arq:  # same process, so the same worker name
        await started_worker(arq)
        await wait_until(partial(_is, shown, "running"))
        assert (await (await send(images.png(seed=3), "x.png", "?wait=60")).json())["status"] == (
            "SUCCESS"
        )


async def _is(shown: Any, state: str) -> bool:
    return bool((await shown()).get("state") == state)
