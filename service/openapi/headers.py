"""Headers of requests and answers that mean something here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

ANSWERED: dict[str, str] = {
    "Location": "The task, group or picture that the answer is about.",
    "Content-Location": "The task that made the picture.",
    "ETag": "Names these bytes exactly; send it back in If-None-Match.",
    "Cache-Control": "How long it may be kept.",
    "Content-Disposition": "The file name to save it under.",
    "Content-Range": "Which bytes these are, and of how many.",
    "Accept-Ranges": "bytes",
    "Retry-After": "Seconds after which it is worth trying again.",
    "X-Request-ID": "The id under which the log has this request.",
    "X-Darkroom-Skipped-Operations": "Numbers, from 1, of operations that were skipped.",
    "X-Darkroom-Skipped-Images": "Numbers, from 1, of images that were skipped.",
}
"""What an answer's header says, by its name."""


LastEventId = TypedDict(
    "LastEventId",
    {
        "Last-Event-ID": Annotated[
            str,
            Field(description="Of the last event that was received; browsers send it themselves."),
        ]
    },
    total=False,
)
"""Headers of event streams."""


class Prefer(TypedDict, total=False):
    Prefer: Annotated[
        str,
        Field(
            description="wait=SECONDS, the same as the query's (RFC 7240).", examples=["wait=30"]
        ),
    ]


Conditional = TypedDict(
    "Conditional",
    {"If-None-Match": Annotated[str, Field(description="An ETag: 304 if it is still that.")]},
    total=False,
)

Ranged = TypedDict(
    "Ranged",
    {
        "If-None-Match": Annotated[str, Field(description="An ETag: 304 if it is still that.")],
        "Range": Annotated[
            str,
            Field(description="One range of bytes.", examples=["bytes=0-1023"]),
        ],
        "If-Range": Annotated[str, Field(description="An ETag: the range only if it is that.")],
    },
    total=False,
)

IfMatch = TypedDict(
    "IfMatch",
    {"If-Match": Annotated[str, Field(description="An ETag: only if the result is that one.")]},
    total=False,
)
