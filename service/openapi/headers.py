"""Request and response headers of the API, with their descriptions."""

from __future__ import annotations

from typing import Any

RESPONSE_HEADERS: dict[str, str] = {
    "Location": "The task, group or image that the response is about.",
    "Content-Location": "The task that made the image.",
    "ETag": "Identifies these exact bytes; send it back in If-None-Match.",
    "Cache-Control": "How long the response may be cached.",
    "Content-Disposition": "The file name for saving the response.",
    "Content-Range": "The byte range sent, and the total size.",
    "Accept-Ranges": "Always bytes.",
    "Retry-After": "Seconds to wait before the next try.",
    "X-Request-ID": "The id of this request in the log.",
    "X-Darkroom-Skipped-Operations": "Skipped operations, counted from 1.",
    "X-Darkroom-Skipped-Images": "Skipped images, counted from 1.",
}
"""Descriptions of response headers by name."""


def _text(description: str, *examples: str) -> dict[str, Any]:
    schema = {"type": "string", "examples": list(examples)} if examples else {"type": "string"}
    return {"description": description, "schema": schema}


REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "If-Match": _text("An ETag: act only if the result still matches."),
    "If-None-Match": _text("An ETag: answer 304 if it still matches."),
    "If-Range": _text("An ETag: send the range only if it still matches."),
    "Last-Event-ID": _text("Id of the last event received; browsers send it on reconnect."),
    "Prefer": _text("wait=SECONDS, the same as the query parameter wait (RFC 7240).", "wait=30"),
    "Range": _text("One byte range.", "bytes=0-1023"),
}
"""Descriptions and schemas of request headers by name; none is required."""
