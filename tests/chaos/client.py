"""A good client: writes down what was answered 2xx, and tries again as the answer says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from typing import Any, Self

import aiohttp

from tests.chaos.workload import Submission

Body = dict[str, Any]

_TRIED_AGAIN = frozenset({429, 503})
_PAUSE = 0.2  # seconds after a connection that broke: it says no Retry-After
_TIMEOUT = aiohttp.ClientTimeout(total=60)


class Broken(AssertionError):
    """An answer that no death of a process excuses."""


class Client:
    """Submits and asks until it has an answer; ``troubles`` counts what stood in the way."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.troubles: Counter[str] = Counter()
        self.promised: dict[str, Submission] = {}
        """Every task that was answered 2xx, by its id."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def submit(self, submission: Submission) -> list[str]:
        """Return the ids of the tasks that were promised for ``submission``."""
        status, answer = await self._ask("POST", submission.path, submission)
        if status not in {200, 202}:
            raise Broken(f"POST {submission.path} {submission.fields}: {status} {answer[:500]!r}")
        body = _json(answer)
        ids = [str(task["task_id"]) for task in body.get("tasks", [body])]
        for task_id in ids:
            self.promised[task_id] = submission
        return ids

    async def ended(self, task_id: str, seconds: float) -> Body:
        """Return the task when it has ended, or as it is after about ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            status, answer = await self._ask("GET", f"/tasks/{task_id}?wait=5")
            if status != 200:
                raise Broken(f"task {task_id} was promised: {status} {answer[:500]!r}")
            body: Body = _json(answer)
            late = asyncio.get_running_loop().time() > deadline
            if late or body["status"] in {"SUCCESS", "FAILURE", "CANCELLED"}:
                return body

    async def digests(self, task: Body) -> list[str]:
        """Return the SHA-256 of each of a task's results, as they are served."""
        found = []
        for result in task["results"]:
            status, answer = await self._ask("GET", result["url"])
            if status != 200:
                raise Broken(f"{result['url']}: {status} {answer[:500]!r}")
            found.append(hashlib.sha256(answer).hexdigest())
        return found

    async def _ask(
        self, method: str, path: str, submission: Submission | None = None
    ) -> tuple[int, bytes]:
        while True:
            form = _form(submission) if submission else None
            try:
                async with self._session.request(method, self.url + path, data=form) as response:
                    answer = await response.read()
                    if response.status not in _TRIED_AGAIN:
                        return response.status, answer
                    if "Retry-After" not in response.headers:
                        raise Broken(f"{response.status} without Retry-After: {answer[:500]!r}")
                    self.troubles[str(response.status)] += 1
                    pause = float(response.headers["Retry-After"])
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as no:
                self.troubles[type(no).__name__] += 1
                pause = _PAUSE
            await asyncio.sleep(pause)


def _json(answer: bytes) -> Body:
    body: Body = json.loads(answer)
    return body


def _form(submission: Submission) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in submission.fields:
        form.add_field(name, value)
    for name, data in submission.files:
        form.add_field("image", data, filename=name, content_type="application/octet-stream")
    return form
