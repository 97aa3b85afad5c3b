"""Request and response headers of the API, with their descriptions."""

from __future__ import annotations

from service.openapi.endpoint import Schema, parameter

RESPONSE_HEADERS: dict[str, str] = {
    "Location": "The task, group or image that the response is about.",
    "Content-Location": "The task that made the image.",
    "ETag": "Identifies these exact bytes; send it back in If-None-Match.",
    "Last-Modified": "When the image was made.",
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


REQUEST_HEADERS: dict[str, Schema] = {
    "If-Match": parameter("An ETag: act only if the result still matches."),
    "If-Modified-Since": parameter("A date: answer 304 unless the result is newer."),
    "If-None-Match": parameter("An ETag: answer 304 if it still matches."),
    "If-Range": parameter("An ETag: send the range only if it still matches."),
    "If-Unmodified-Since": parameter("A date: answer 412 if the result is newer."),
    "Last-Event-ID": parameter("Id of the last event received; browsers send it on reconnect."),
    "Prefer": parameter(
        "wait=SECONDS, the same as the query parameter wait (RFC 7240).", examples=["wait=30"]
    ),
    "Range": parameter("One byte range.", examples=["bytes=0-1023"]),
}
"""Descriptions and schemas of request headers by name; none is required."""
