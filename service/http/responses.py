"""JSON responses, ETag comparison and conditional GET, streamed bodies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog
from aiohttp import ETag, web

log = structlog.get_logger()


def json_response(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return ``document`` as JSON; ``no-store`` unless ``headers`` say otherwise."""
    return web.Response(
        status=status,
        text=json.dumps(document) + "\n",
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def etag_matches(etags: tuple[ETag, ...] | None, tag: str) -> bool:
    """Tell whether If-None-Match or If-Match contains ``tag`` or ``*``."""
    return any(etag.value in {tag, "*"} for etag in etags or ())


def etag_response(request: web.Request, body: bytes, media_type: str, caching: str) -> web.Response:
    """Return ``body``, or 304 if the client has it already; ``caching``: Cache-Control."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": caching}
    if etag_matches(request.if_none_match, tag):
        return web.Response(status=304, headers=headers)
    charset = None if media_type.startswith("image/") else "utf-8"
    return web.Response(body=body, content_type=media_type, charset=charset, headers=headers)


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
