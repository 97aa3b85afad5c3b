"""A picture that kills its process is stopped; what was in work beside it pays nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.chaos import storm
from tests.chaos.client import Client
from tests.chaos.oplog import Witness
from tests.chaos.workload import submissions
from tests.support.standalone_process import House


async def test_poison_ends_as_worker_crashed_and_charges_nobody_else(
    new_house: Callable[..., House],
) -> None:
    house = await asyncio.to_thread(new_house, WORKER_PROCESSES="2", LOG_LEVEL="WARNING")
    killer = asyncio.create_task(storm.kill_the_large(house))
    async with Client(house.url) as client:
        (bad,) = await client.submit(storm.poison())
        others = [client.submit(each) for each in submissions(40, 1)]
        ids = [task_id for made in await asyncio.gather(*others) for task_id in made]
        ended = {task_id: await client.ended(task_id, 90) for task_id in [bad, *ids]}
    killer.cancel()
    assert ended[bad]["status"] == "FAILURE"
    assert ended[bad]["error"]["code"] == "worker_crashed"
    assert "3 times (MAX_ATTEMPTS)" in ended[bad]["error"]["detail"]
    assert {ended[task_id]["status"] for task_id in ids} == {"SUCCESS"}
    witness = Witness(house)
    attempts = {task_id: task["attempts"] for task_id, task in witness.tasks().items()}
    witness.close()
    assert attempts.pop(bad) == 3
    assert set(attempts.values()) == {1}
