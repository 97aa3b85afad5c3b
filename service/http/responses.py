"""What answers have in common: JSON on a line of its own, and 304 where nothing changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ETag, web


def json_answer(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return ``document``; caches do not keep it unless ``headers`` say so."""
    return web.Response(
        status=status,
        text=json.dumps(document) + "\n",
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def matches(etags: tuple[ETag, ...] | None, tag: str) -> bool:
    """Tell whether a condition (If-None-Match, If-Match) names ``tag``, or anything."""
    return any(etag.value in {tag, "*"} for etag in etags or ())


def tagged(
    request: web.Request, body: bytes, tag: str, media_type: str, caching: str
) -> web.Response:
    """Return ``body``, or 304 to whoever has it already; ``caching``: Cache-Control."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": caching}
    if matches(request.if_none_match, tag):
        return web.Response(status=304, headers=headers)
    charset = None if media_type.startswith("image/") else "utf-8"
    return web.Response(body=body, content_type=media_type, charset=charset, headers=headers)
