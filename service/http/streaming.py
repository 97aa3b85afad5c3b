"""Bytes from a store to a client, whole or visibly cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from aiohttp import web

log = structlog.get_logger()


async def stream(
    request: web.Request,
    response: web.StreamResponse,
    chunks: AsyncGenerator[bytes],
    what: str,
) -> web.StreamResponse:
    """Send ``response`` with ``chunks`` as its body; ``what`` names it in the log.

    A store that is away before the first byte is still an error of its own. After it, an error
    document would become part of somebody's picture: the connection is cut instead, so that the
    client sees that bytes are missing.
    """
    async with aclosing(chunks):  # a reader that goes away leaves no cursor open
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        first = await anext(chunks, b"")
        await response.prepare(request)
        try:
            await response.write(first)
            async for data in chunks:
                await response.write(data)
            await response.write_eof()
        except ConnectionError:
            raise
        except Exception as error:
            log.warning("broken_off", what=what, reason=repr(error))
            if request.transport is not None:
                request.transport.abort()
    return response
