"""One store away while uploads are in flight: what is answered, and that it holds."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import aiohttp
import psutil

from tests.chaos.client import Client
from tests.chaos.oplog import Witness
from tests.chaos.workload import Submission, submissions
from tests.support import images
from tests.support.standalone_process import House

NewHouse = Callable[..., House]


async def test_mongod_killed_during_uploads_each_is_refused_well_or_kept(
    new_house: NewHouse,
) -> None:
    house = await asyncio.to_thread(new_house, STORE_TIMEOUT="1", LOG_LEVEL="WARNING")
    asked = submissions(40, 2)
    async with Client(house.url) as client:
        first = [client.submit(each) for each in asked[:10]]
        await asyncio.gather(*first)
        mongo = psutil.Process(house.pid("mongo"))
        uploads = [asyncio.create_task(client.submit(each)) for each in asked[10:]]
        await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
        # Frozen, then killed: it is away for longer than the driver waits, in the middle of all.
        mongo.suspend()
        while not client.troubles["503"]:  # the client itself insists on Retry-After
            await asyncio.sleep(0.05)
        mongo.kill()
        await asyncio.gather(*uploads)
        ended = [await client.ended(task_id, 90) for task_id in client.promised]
    assert {task["status"] for task in ended} == {"SUCCESS"}
    assert set(client.troubles) == {"503"}
    witness = Witness(house)
    assert set(witness.tasks()) == set(client.promised)
    witness.close()


async def test_redis_away_uploads_are_taken_and_everybody_survives(new_house: NewHouse) -> None:
    house = await asyncio.to_thread(new_house, STORE_TIMEOUT="1", LOG_LEVEL="WARNING")
    service, redis = house.pid("service"), psutil.Process(house.pid("redis"))
    redis.suspend()  # killed it would be back at once; frozen it is away until we say
    asked = [_small(number) for number in range(5)]
    async with Client(house.url) as client, aiohttp.ClientSession() as session:
        for submission in asked:
            await client.submit(submission)
        assert not client.troubles
        async with session.get(f"{house.url}/readyz") as answer:
            assert (answer.status, (await answer.json())["missing"]) == (503, ["redis"])
        redis.send_signal(signal.SIGKILL)
        ended = [await client.ended(task_id, 90) for task_id in client.promised]
        assert {task["status"] for task in ended} == {"SUCCESS"}
        (later,) = await client.submit(_small(99))
        assert (await client.ended(later, 60))["status"] == "SUCCESS"
    assert house.pid("service") == service


def _small(number: int) -> Submission:
    data = images.png(seed=1000 + number)
    return Submission("/grayscale", (), (f"{number}.png",), lambda _: data, (number,))
