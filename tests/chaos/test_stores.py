"""A store outage during uploads: what is answered, and that accepted tasks survive."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import aiohttp
import psutil
import pytest

from models.replica_set import embedded_mongo_url
from tests.chaos.client import Client
from tests.chaos.oplog import OplogReader
from tests.chaos.workload import Submission, submissions
from tests.support import images
from tests.support.smtp import wait_until
from tests.support.standalone_process import StandaloneProcess


@pytest.fixture(scope="module")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A Darkroom that survives the tests of this file: each ends with its stores up again."""
    folder = tmp_path_factory.mktemp("stores") / "data"
    with StandaloneProcess(folder, STORE_TIMEOUT="1", LOG_LEVEL="WARNING") as started:
        yield started


async def test_mongod_killed_during_uploads_each_is_refused_or_kept(
    darkroom: StandaloneProcess,
) -> None:
    oplog = OplogReader(embedded_mongo_url(darkroom.data_dir), seconds=60)
    before = set(oplog.tasks())
    workload = submissions(24, 2)
    async with Client(darkroom.url) as client:
        first = [client.submit(each) for each in workload[:10]]
        await asyncio.gather(*first)
        mongo = psutil.Process(darkroom.pid("mongo"))
        uploads = [asyncio.create_task(client.submit(each)) for each in workload[10:20]]
        await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
        # Frozen, then killed: it is away for longer than the driver waits.
        mongo.suspend()
        uploads += [asyncio.create_task(client.submit(each)) for each in workload[20:]]
        while not client.retries["503"]:  # the client itself insists on Retry-After
            await asyncio.sleep(0.05)
        mongo.kill()
        await asyncio.gather(*uploads)
        ended = [await client.ended(task_id, 90) for task_id in client.accepted]
    assert {task["status"] for task in ended} == {"SUCCESS"}
    assert set(client.retries) == {"503"}
    assert set(oplog.tasks()) - before == set(client.accepted)
    oplog.close()


async def test_redis_away_uploads_are_accepted_and_processes_survive(
    darkroom: StandaloneProcess,
) -> None:
    service, redis = darkroom.pid("service"), psutil.Process(darkroom.pid("redis"))
    redis.suspend()  # killed, it would be restarted at once; frozen, it stays away
    workload = [_small(number) for number in range(5)]
    async with Client(darkroom.url) as client, aiohttp.ClientSession() as session:
        for submission in workload:
            await client.submit(submission)
        assert not client.retries

        async def only_redis_is_missing() -> bool:
            """Ready, as it accepts and works; only what waits goes on waiting."""
            async with session.get(f"{darkroom.url}/readyz") as answer:
                return (answer.status, (await answer.json())["missing"]) == (200, ["redis"])

        await wait_until(only_redis_is_missing)
        redis.send_signal(signal.SIGKILL)
        ended = [await client.ended(task_id, 90) for task_id in client.accepted]
        assert {task["status"] for task in ended} == {"SUCCESS"}
        (later,) = await client.submit(_small(99))
        assert (await client.ended(later, 60))["status"] == "SUCCESS"
    assert darkroom.pid("service") == service


def _small(number: int) -> Submission:
    data = images.png(seed=1000 + number)
    return Submission("/grayscale", (), (f"{number}.png",), lambda _: data, (number,))
