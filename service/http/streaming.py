"""Stream an async generator to a client; abort the connection on error."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from aiohttp import web

log = structlog.get_logger()


async def stream_response(
    request: web.Request,
    response: web.StreamResponse,
    chunks: AsyncGenerator[bytes],
    content: str,
) -> web.StreamResponse:
    """Send ``response`` with ``chunks`` as its body; ``content`` names it in the log.

    An unavailable store before the first byte is a normal error. Later, an error document would
    become part of the image: the connection is aborted instead, so that the client notices.
    """
    async with aclosing(chunks):  # closes the cursor when the client disconnects
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
            log.warning("stream_aborted", content=content, reason=repr(error))
            if request.transport is not None:
                request.transport.abort()
    return response
