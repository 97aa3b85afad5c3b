"""What is said of a task and of a group, wherever it is: in answers, in events, to a callback_url.

``models.tasks.serializers`` fills these types; the OpenAPI document is made from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from models.images.inspect import Format
from models.tasks.task import Status

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, with milliseconds."""
Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0c38a66997ba00db60f868382535602e"])]
Percent = Annotated[int, Field(ge=0, le=100)]
Path = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
"""A path on this service."""


class GoneBody(TypedDict):
    """That the bytes of a result are no longer kept."""

    reason: Annotated[
        Literal["expired", "deleted"], Field(description="RESULT_TTL, or somebody's DELETE.")
    ]
    at: Time | None


class ResultBody(TypedDict):
    """One finished picture."""

    name: Annotated[str, Field(description="Its name below /processed/.")]
    url: Annotated[Path | None, Field(description="Where its bytes are; null: they are gone.")]
    width: Annotated[int, Field(ge=1, description="In pixels.")]
    height: Annotated[int, Field(ge=1, description="In pixels.")]
    format: Format
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of its bytes; its ETag.")]
    notes: Annotated[list[str], Field(description="What had to be given up, in words.")]
    gone: NotRequired[GoneBody]


Failure = Annotated[
    dict[str, Any],
    Field(
        description="Why there is no result: code, detail, and the members that a refusal with "
        "this code would have.",
        json_schema_extra={
            "required": ["code", "detail"],
            "properties": {"code": {"type": "string"}, "detail": {"type": "string"}},
        },
    ),
]
"""What ``AppError.document`` returns."""


class _Picture(TypedDict):
    group_id: Id
    status: Status
    progress: Percent
    name: Annotated[str, Field(description="The file name it was sent under, made safe.")]
    url: Annotated[Path | None, Field(description="The first result's; null until SUCCESS.")]
    results: list[ResultBody]
    operations: Annotated[
        list[dict[str, Any]], Field(description="What was asked, all defaults filled in.")
    ]
    created_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    error: Failure | None
    report: Annotated[
        dict[str, Any] | None, Field(description="What was measured, where report=1 asked.")
    ]


class TaskBody(_Picture):
    """A task: what was asked of one picture, and how far it is."""

    task_id: Id


class RefusedBody(_Picture):
    """A picture of a group that was refused on arrival, or whose task is no longer kept."""

    task_id: None


class GroupBody(TypedDict):
    """The pictures of one submission."""

    group_id: Id
    status: Annotated[
        Status, Field(description="SUCCESS: all are; FAILURE: all ended, some without a result.")
    ]
    total: Annotated[int, Field(ge=1)]
    done: Annotated[int, Field(ge=0, description="How many ended, in whatever way.")]
    failed: Annotated[int, Field(ge=0)]
    progress: Percent
    eta_seconds: Annotated[
        float | None, Field(ge=0, description="What is left, at this group's own rate so far.")
    ]
    created_at: Time | None
    archive_url: Annotated[
        Path | None, Field(description="The results as a zip file, once all pictures ended.")
    ]
    tasks: Annotated[
        list[TaskBody | RefusedBody], Field(description="In the order they were sent.")
    ]
