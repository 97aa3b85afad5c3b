"""An image that kills its child process fails; tasks running beside it are not charged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from models.replica_set import embedded_mongo_url
from tests.chaos import storm
from tests.chaos.client import Client
from tests.chaos.oplog import OplogReader
from tests.chaos.workload import submissions
from tests.support.standalone_process import StandaloneProcess


async def test_poison_fails_as_worker_crashed_and_charges_no_other_task(
    start_darkroom: Callable[..., StandaloneProcess],
) -> None:
    darkroom = await asyncio.to_thread(start_darkroom, WORKER_PROCESSES="2", LOG_LEVEL="WARNING")
    killer = asyncio.create_task(storm.kill_large_children(darkroom))
    async with Client(darkroom.url) as client:
        (bad,) = await client.submit(storm.poison())
        others = [client.submit(each) for each in submissions(16, 1)]
        ids = [task_id for made in await asyncio.gather(*others) for task_id in made]
        ended = {task_id: await client.ended(task_id, 90) for task_id in [bad, *ids]}
    killer.cancel()
    assert ended[bad]["status"] == "FAILURE"
    assert ended[bad]["error"]["code"] == "worker_crashed"
    assert "3 times (MAX_ATTEMPTS)" in ended[bad]["error"]["detail"]
    assert {ended[task_id]["status"] for task_id in ids} == {"SUCCESS"}
    oplog = OplogReader(embedded_mongo_url(darkroom.data_dir), seconds=60)
    attempts = {task_id: task["attempts"] for task_id, task in oplog.tasks().items()}
    oplog.close()
    assert attempts.pop(bad) == 3
    assert set(attempts.values()) == {1}
