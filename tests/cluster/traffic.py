"""Clients that submit small pictures, wait for their tasks, and look at every pixel."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time

import numpy as np

from tests.chaos.client import Client
from tests.chaos.workload import Submission
from tests.support import images

_PAUSE_SECONDS = 0.4  # between two submissions
_END_SECONDS = 240  # for an accepted task to end, faults included
_SIZE = (24, 27)
_TWICE = 3  # every third picture is sent twice at the same time, to both services


class Traffic:
    """Submits until ``stop`` is set; ``problems`` says which promise was broken."""

    def __init__(self, client: Client, seed: int) -> None:
        self.stop = asyncio.Event()
        self.problems: list[str] = []
        self.accepted_at: list[float] = []
        """When uploads were accepted, by the clock ``time.monotonic``."""
        self._client = client
        self._rng = random.Random(seed)

    async def run(self) -> None:
        """Return when every accepted task has ended."""
        number = 0
        async with asyncio.TaskGroup() as flows:
            while not self.stop.is_set():
                flows.create_task(self._flow(number, self._rng.choice([90, 180, 270])))
                number += 1
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _flow(self, number: int, angle: int) -> None:
        try:
            await self._follow(number, angle)
        except AssertionError as error:
            self.problems.append(f"picture {number}: {error}")

    async def _follow(self, number: int, angle: int) -> None:
        pixels = images.scene(*_SIZE, seed=number)
        data = images.png(*_SIZE, seed=number)
        name = f"{number}.png"
        submission = Submission(
            "/rotate", (("angle", str(angle)),), (name,), lambda _: data, (number,)
        )
        again = number % _TWICE == 0
        sent = [self._submit(submission) for _ in range(2 if again else 1)]
        ids = {task_id for made in await asyncio.gather(*sent) for task_id in made}
        assert len(ids) == 1, f"the same submission became {len(ids)} tasks"
        task = await self._client.ended(ids.pop(), _END_SECONDS)
        assert task["status"] == "SUCCESS", f"{task['status']}: {task['error']}"
        (result,) = task["results"]
        content = await self._client.content(result)
        assert len(content) == result["bytes"]
        assert hashlib.sha256(content).hexdigest() == result["sha256"]
        turned = np.rot90(pixels, -angle // 90)  # by an angle clockwise
        assert np.array_equal(np.asarray(images.decoded(content)), turned), "other pixels"

    async def _submit(self, submission: Submission) -> list[str]:
        ids = await self._client.submit(submission)
        self.accepted_at.append(time.monotonic())
        return ids
