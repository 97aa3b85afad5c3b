"""The JSON that the API answers with: typed here once, for what is answered and what is promised.

The OpenAPI document is made from these types; ``service.task_response`` and the handlers fill them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from models.tasks.schemas import Id, Path, Time


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
