"""JSON responses, ETag comparison and conditional GET."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ETag, web


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
