"""JSON responses, ETag comparison and conditional GET, streamed bodies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import structlog
from aiohttp import ETag, web

from models.errors import PreconditionFailed

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


def etag_matches(etags: tuple[ETag, ...] | None, tag: str, *, strong: bool = False) -> bool:
    """Tell whether If-None-Match or If-Match contains ``tag`` or ``*``.

    ``strong``: a weak ETag (W/) does not count; If-Match is compared so (RFC 9110, 13.1.1).
    """
    return any(etag.value in {tag, "*"} and not (strong and etag.is_weak) for etag in etags or ())


def check_preconditions(request: web.Request, tag: str, modified: datetime) -> None:
    """Return unless the client wants other bytes than those of ``tag``, made at ``modified`` (UTC).

    Raises:
        PreconditionFailed: If-Match does not have ``tag``; or there is no If-Match, and the bytes
            are newer than If-Unmodified-Since (RFC 9110, 13.2.2).
    """
    if (if_match := request.if_match) is not None:
        if not etag_matches(if_match, tag, strong=True):
            raise PreconditionFailed("If-Match does not match the ETag", measured=f'"{tag}"')
        return
    since = request.if_unmodified_since
    if since is not None and modified.replace(microsecond=0) > since:
        date = format_datetime(modified, usegmt=True)
        raise PreconditionFailed(f"it was made after If-Unmodified-Since: {date}", measured=date)


def is_not_modified(request: web.Request, tag: str, modified: datetime) -> bool:
    """Tell whether the client has the bytes of ``tag``, made at ``modified``: 304 suffices."""
    if (if_none_match := request.if_none_match) is not None:
        return etag_matches(if_none_match, tag)
    since = request.if_modified_since
    return since is not None and modified.replace(microsecond=0) <= since


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
