"""The ETA through the service: known from the first answer on, everywhere the same, and falling."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from models.store import Store
from tests.support import images
from tests.support.sse_client import listen
from tests.workers.queue.test_jobs import slow_picture, started_worker, wait_until

Send = Callable[..., Awaitable[Any]]


async def test_eta_is_known_from_the_first_answer_on_and_falls(
    client: Any, send: Send, store: Store, worker: Any
) -> None:
    context = await started_worker(worker)

    async def reported() -> bool:
        return await store.workers.count_alive() > 0

    await wait_until(reported)
    (child,) = context.children.pids
    os.kill(child, signal.SIGSTOP)  # it works for ever, at no cost
    long: dict[str, Any] = {"quality": "best", "scale": "2"}
    response = await send(slow_picture(1300), "long.png", **long)
    accepted = await response.json()
    assert response.status == 202
    await wait_until(lambda: context.children.states[child])
    task_id = accepted["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    events = [await stream.next() for _ in range(4)]
    polled = await (await client.get(f"/tasks/{task_id}")).json()
    etas = [accepted["eta_seconds"], *(event.data["eta_seconds"] for event in events)]
    assert all(later <= before for before, later in itertools.pairwise(etas))
    assert etas[0] > etas[-1] >= polled["eta_seconds"] > 0
    # Two more wait behind it; both are too long for the place that short tasks have.
    group_form = images.form(slow_picture(1100), "a.png", **long)
    group_form.add_field("image", slow_picture(1200), filename="b.png")
    group = await (await client.post("/upscale", data=group_form)).json()
    first, second = (task["eta_seconds"] for task in group["tasks"])
    assert 0 < first < second == group["eta_seconds"]
    again = await (await client.get(f"/status/{group['group_id']}")).json()
    assert 0 < again["eta_seconds"] <= group["eta_seconds"]
    assert again["eta_seconds"] == max(task["eta_seconds"] for task in again["tasks"])
    assert again["eta_seconds"] > polled["eta_seconds"] - 1
    for each in (task_id, *(task["task_id"] for task in group["tasks"])):
        ended = await (await client.delete(f"/tasks/{each}")).json()
        assert ended["eta_seconds"] == 0
    assert (await stream.all())[-2].data["eta_seconds"] == 0
