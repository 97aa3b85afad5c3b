"""JSON schemas of a task and a group: in responses, server-sent events and webhooks.

``models.tasks.serializers`` fills these types; the OpenAPI document is generated from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from models.images.inspect import OutputFormat
from models.tasks.task import Status

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, with milliseconds."""
Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0c38a66997ba00db60f868382535602e"])]
Percent = Annotated[int, Field(ge=0, le=100)]
Eta = Annotated[
    float | None,
    Field(
        ge=0,
        description="Estimated seconds until it ends, by its work, the queue and its progress; 0: "
        "it has ended; null: unknown, as while no worker is there.",
    ),
]
Path = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
"""A path on this service."""


class GoneBody(TypedDict):
    """Why and when the bytes of a result were removed."""

    reason: Annotated[
        Literal["expired", "deleted"],
        Field(description="expired: RESULT_TTL; deleted: a DELETE request."),
    ]
    at: Time | None


class ResultBody(TypedDict):
    """One finished picture."""

    name: Annotated[str, Field(description="Its name below /processed/.")]
    url: Annotated[Path | None, Field(description="Path of its bytes; null: they were removed.")]
    width: Annotated[int, Field(ge=1, description="In pixels.")]
    height: Annotated[int, Field(ge=1, description="In pixels.")]
    format: OutputFormat
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of its bytes; also its ETag.")
    ]
    notes: Annotated[list[str], Field(description="What the result lost, in words.")]
    gone: NotRequired[GoneBody]


Failure = Annotated[
    dict[str, Any],
    Field(
        description="Why there is no result: code, detail, and the members that an error "
        "response with this code has.",
        json_schema_extra={
            "required": ["code", "detail"],
            "properties": {"code": {"type": "string"}, "detail": {"type": "string"}},
        },
    ),
]
"""JSON of an error, as ``AppError.document`` returns it."""


class _Picture(TypedDict):
    group_id: Id
    status: Status
    progress: Percent
    eta_seconds: Eta
    name: Annotated[str, Field(description="The uploaded file name, sanitized.")]
    url: Annotated[Path | None, Field(description="The first result's; null until SUCCESS.")]
    results: list[ResultBody]
    operations: Annotated[
        list[dict[str, Any]], Field(description="The operations, with all defaults.")
    ]
    created_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    error: Failure | None
    report: Annotated[
        dict[str, Any] | None, Field(description="Measurements, if the request had report=1.")
    ]


class TaskBody(_Picture):
    """A task: one picture, its operations and its progress."""

    task_id: Id


class RefusedBody(_Picture):
    """A picture of a group that was refused on arrival, or whose task is no longer stored."""

    task_id: None


class GroupBody(TypedDict):
    """The pictures of one submission."""

    group_id: Id
    status: Annotated[
        Status, Field(description="SUCCESS: all succeeded; FAILURE: all ended, some failed.")
    ]
    total: Annotated[int, Field(ge=1)]
    done: Annotated[int, Field(ge=0, description="Pictures that ended, with any status.")]
    failed: Annotated[int, Field(ge=0)]
    progress: Percent
    eta_seconds: Eta
    created_at: Time | None
    archive_url: Annotated[
        Path | None, Field(description="Path of a zip file with all results, once all ended.")
    ]
    tasks: Annotated[list[TaskBody | RefusedBody], Field(description="In the order of the upload.")]
