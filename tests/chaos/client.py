"""A correct client: records every accepted task, and retries as Retry-After says."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from typing import Any, Self

import aiohttp

from tests.chaos.workload import Submission

Body = dict[str, Any]

_RETRIED_STATUSES = frozenset({429, 503})
_RETRY_SECONDS = 0.2  # after a broken connection, which has no Retry-After


class BrokenPromise(AssertionError):
    """A response that no process death excuses."""


class Client:
    """Submits and queries until it gets a response; ``retries`` counts the reasons to retry.

    Of several services each request, and each retry, asks the next one.
    """

    def __init__(self, *urls: str, timeout: float = 60) -> None:
        """``timeout``: seconds for one response."""
        self._urls = itertools.cycle(urls)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self.retries: Counter[str] = Counter()
        self.accepted: dict[str, Submission] = {}
        """Every task that was accepted with 2xx, by its id."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def submit(self, submission: Submission) -> list[str]:
        """Return the ids of the tasks accepted for ``submission``."""
        status, content = await self._request("POST", submission.path, submission)
        if status not in {200, 202}:
            raise BrokenPromise(
                f"POST {submission.path} {submission.fields}: {status} {content[:500]!r}"
            )
        body = _json(content)
        ids = [str(task["task_id"]) for task in body.get("tasks", [body])]
        for task_id in ids:
            self.accepted[task_id] = submission
        return ids

    async def ended(self, task_id: str, seconds: float) -> Body:
        """Return the task when it has ended, or its state after about ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            status, content = await self._request("GET", f"/tasks/{task_id}?wait=5")
            if status != 200:
                raise BrokenPromise(f"task {task_id} was accepted: {status} {content[:500]!r}")
            body: Body = _json(content)
            late = asyncio.get_running_loop().time() > deadline
            if late or body["status"] in {"SUCCESS", "FAILURE", "CANCELLED"}:
                return body

    async def digests(self, task: Body) -> list[str]:
        """Return the SHA-256 of each result of a task, as served."""
        return [
            hashlib.sha256(await self.content(result)).hexdigest() for result in task["results"]
        ]

    async def content(self, result: Body) -> bytes:
        """Return the bytes of a result as served."""
        status, content = await self._request("GET", result["url"])
        if status != 200:
            raise BrokenPromise(f"{result['url']}: {status} {content[:500]!r}")
        return content

    async def _request(
        self, method: str, path: str, submission: Submission | None = None
    ) -> tuple[int, bytes]:
        while True:
            form = _form(submission) if submission else None
            url = next(self._urls) + path
            try:
                async with self._session.request(method, url, data=form) as response:
                    content = await response.read()
                    if response.status not in _RETRIED_STATUSES:
                        return response.status, content
                    if "Retry-After" not in response.headers:
                        raise BrokenPromise(
                            f"{response.status} without Retry-After: {content[:500]!r}"
                        )
                    self.retries[str(response.status)] += 1
                    pause = float(response.headers["Retry-After"])
            except (
                aiohttp.ClientConnectionError,
                aiohttp.ClientPayloadError,
                TimeoutError,
            ) as error:
                self.retries[type(error).__name__] += 1
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)


def _json(content: bytes) -> Body:
    body: Body = json.loads(content)
    return body


def _form(submission: Submission) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in submission.fields:
        form.add_field(name, value)
    for name, data in submission.files:
        form.add_field("image", data, filename=name, content_type="application/octet-stream")
    return form
