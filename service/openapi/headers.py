"""Request and response headers of the API, with their descriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

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


LastEventIdHeader = TypedDict(
    "LastEventIdHeader",
    {
        "Last-Event-ID": Annotated[
            str,
            Field(description="Id of the last event received; browsers send it on reconnect."),
        ]
    },
    total=False,
)
"""Request header of event streams."""


class PreferHeader(TypedDict, total=False):
    Prefer: Annotated[
        str,
        Field(
            description="wait=SECONDS, the same as the query parameter wait (RFC 7240).",
            examples=["wait=30"],
        ),
    ]


ConditionalHeaders = TypedDict(
    "ConditionalHeaders",
    {
        "If-None-Match": Annotated[
            str, Field(description="An ETag: answer 304 if it still matches.")
        ]
    },
    total=False,
)

RangeHeaders = TypedDict(
    "RangeHeaders",
    {
        "If-None-Match": Annotated[
            str, Field(description="An ETag: answer 304 if it still matches.")
        ],
        "Range": Annotated[
            str,
            Field(description="One byte range.", examples=["bytes=0-1023"]),
        ],
        "If-Range": Annotated[
            str, Field(description="An ETag: send the range only if it still matches.")
        ],
    },
    total=False,
)

IfMatchHeader = TypedDict(
    "IfMatchHeader",
    {
        "If-Match": Annotated[
            str, Field(description="An ETag: act only if the result still matches.")
        ]
    },
    total=False,
)
