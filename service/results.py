"""The bytes of a result: from Redis where hot, else from GridFS; and why there are none."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aiohttp import web

from models.errors import AppError, NotFound, ResultGone
from models.settings import Settings
from models.tasks.task import Gone, Result, Task
from service.app_keys import CACHE, STORE


async def result_bytes(
    app: web.Application, task: Task, result: Result, start: int = 0, stop: int | None = None
) -> AsyncGenerator[bytes]:
    """Yield the bytes ``start`` to ``stop`` (exclusive) of a result of ``task``.

    A result that is small enough and asked for again is kept in the cache.

    Raises:
        StoreUnavailable, LookupError: it cannot be read.
    """
    stop = result.bytes if stop is None else stop
    cache, files = app[CACHE], app[STORE].results
    if not cache.takes(result.bytes):
        async for data in files.read(result.file_id, start, stop):
            yield data
        return
    whole = await cache.get(result.sha256, task.owner)
    if whole is None:
        parts = [data async for data in files.read(result.file_id, 0, result.bytes)]
        whole = b"".join(parts)
        cache.offer(result.sha256, whole, task.owner)
    yield whole[start:stop]


def no_longer(task: Task, name: str, gone: Gone, settings: Settings) -> AppError:
    """Return the error for a result that was there: its time is up, or it was deleted."""
    if gone.reason == "deleted":
        return NotFound(
            "there is no result of this name; it was deleted, and is made again when the picture "
            "is sent again",
            task_id=task.id,
        )
    at = gone.at.isoformat(timespec="seconds")
    return ResultGone(
        f"{name} is gone since {at}: results are kept for {settings.result_ttl:g} s (RESULT_TTL); "
        f"send the picture again, or POST /tasks/{task.id}/retry, to have it made again",
        setting="RESULT_TTL",
        limit=settings.result_ttl,
        task_id=task.id,
        gone_at=at,
    )
