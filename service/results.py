"""The bytes of a result: from Redis where they are hot, else from GridFS."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aiohttp import web

from models.task import Result
from service.keys import CACHE, STORE


async def result_bytes(
    app: web.Application, result: Result, start: int = 0, stop: int | None = None
) -> AsyncGenerator[bytes]:
    """Yield the bytes ``start`` to ``stop`` (exclusive) of a result.

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
    whole = await cache.get(result.sha256)
    if whole is None:
        parts = [data async for data in files.read(result.file_id, 0, result.bytes)]
        whole = b"".join(parts)
        cache.offer(result.sha256, whole)
    yield whole[start:stop]
