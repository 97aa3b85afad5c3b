"""The JSON that the API answers with: typed here once, for what is answered and what is promised.

The OpenAPI document is made from these types; ``service.views`` and the handlers fill them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from models.image import Format
from models.task import Status

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


class LinkBody(TypedDict):
    """A signed link."""

    url: Annotated[Path, Field(description="The link on this service; it carries its signature.")]
    link: Annotated[str, Field(description="The same in whole, behind PUBLIC_URL.")]
    expires_at: Time | None


class Notice(TypedDict):
    """That something was done, or will be."""

    status: str
    detail: str


class LetterBody(TypedDict):
    """How the letter with a group's results stands."""

    group_id: Id
    status: Literal["queued", "sent"]
    detail: str


Said = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE"]


class SubmissionBody(TypedDict):
    """A thumbnail, as the older thumbnail service said it."""

    submission_task_id: Id
    submission_status: Said
    status: Annotated[Said, Field(description="The same as submission_status.")]
    submission_result: Annotated[
        bool | str | None, Field(description="true, or why there is none; null until it ended.")
    ]
    url: NotRequired[Path]


class NetworkBody(TypedDict):
    """A super-resolution network that may be asked for."""

    model: str
    scale: int
    source: str
    licence: str


class OperationBody(TypedDict):
    """What a client needs to offer an operation."""

    op: str
    summary: str
    route: Path
    shorthand: Annotated[str, Field(description="Its form in a list of operations.")]
    example: dict[str, str]
    results: Annotated[int, Field(ge=1, description="How many pictures one picture becomes.")]
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of its parameters.")]
    models: NotRequired[list[NetworkBody]]


class OperationsBody(TypedDict):
    """What can be done to a picture, and what living workers do it with."""

    operations: list[OperationBody]
    engines: Annotated[
        dict[str, int], Field(description="Living workers by the engine they upscale with.")
    ]


class Alive(TypedDict):
    """That the process answers."""

    status: Literal["alive"]


Part = Literal["mongodb", "redis", "workers", "draining"]


class Readiness(TypedDict):
    """Whether the service can do what it is for."""

    status: Literal["ready", "not ready"]
    missing: list[Part]
    workers: Annotated[int, Field(ge=0, description="How many were seen lately.")]
