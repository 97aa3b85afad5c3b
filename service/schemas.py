"""Types of the JSON responses, shared by the handlers and the OpenAPI document.

The OpenAPI document is made from these types; ``service.task_response`` and the handlers fill them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from models.outbox.item import DeliveryStatus
from models.tasks.schemas import Id, Path, Time


class LinkBody(TypedDict):
    """A signed link."""

    url: Annotated[Path, Field(description="The path of the link, with its signature.")]
    link: Annotated[str, Field(description="The absolute URL, below PUBLIC_URL.")]
    expires_at: Time | None


class StatusBody(TypedDict):
    """Something was done, or will be."""

    status: str
    detail: str


class EmailStatusBody(TypedDict):
    """The state of the e-mail with a group's results."""

    group_id: Id
    status: Literal["queued", "sent"]
    detail: str


LegacyStatus = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE"]


class LegacySubmissionBody(TypedDict):
    """A thumbnail task in the format of the older thumbnail service."""

    submission_task_id: Id
    submission_status: LegacyStatus
    status: Annotated[LegacyStatus, Field(description="The same as submission_status.")]
    submission_result: Annotated[
        bool | str | None, Field(description="true, or why it failed; null until it ended.")
    ]
    url: NotRequired[Path]


class NetworkBody(TypedDict):
    """An available super-resolution network."""

    model: str
    scale: int
    source: str
    licence: str
    seconds_per_megapixel: Annotated[
        float,
        Field(ge=0, description="Expected seconds for a million pixels, by the latest tasks here."),
    ]


class OperationBody(TypedDict):
    """What a client needs to offer an operation."""

    op: str
    summary: str
    route: Path
    shorthand: Annotated[str, Field(description="Its short form in a list of operations.")]
    example: dict[str, str]
    results: Annotated[int, Field(ge=1, description="How many results it makes of one image.")]
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of its parameters.")]
    models: NotRequired[list[NetworkBody]]


class OperationsBody(TypedDict):
    """The operations, and the engines of the live workers."""

    operations: list[OperationBody]
    engines: Annotated[
        dict[str, int], Field(description="Number of live workers by upscale engine.")
    ]
    seconds_per_megapixel: Annotated[
        dict[str, float],
        Field(
            description="Expected seconds for a million pixels of each part of the work, by the "
            "latest tasks here: of a network's input; of the larger of an operation's input and "
            "output. `store`: of a task."
        ),
    ]


class PresetBody(TypedDict):
    """A preset: what POST /process does with its name."""

    name: str
    own: Annotated[bool, Field(description="Whether it is the key's, not of PRESETS_FILE.")]
    operations: list[dict[str, Any]]
    description: NotRequired[str]
    format: NotRequired[str]
    quality: NotRequired[int | str]
    progressive: NotRequired[bool]
    max_bytes: NotRequired[int]
    frames: NotRequired[str]
    metadata: NotRequired[str]


class PresetsBody(TypedDict):
    """The presets of the key by name, and those of PRESETS_FILE in its order."""

    presets: list[PresetBody]


class DeliveryBody(TypedDict):
    """The delivery of one result to a deliver_url."""

    result: Annotated[int, Field(ge=0, description="Number of the result, from 0.")]
    name: Annotated[str, Field(description="Name of the picture as it was sent.")]
    url: Annotated[str, Field(description="The deliver_url without its query.")]
    status: Annotated[
        DeliveryStatus,
        Field(description="WAITING: for the result; CREATED: to be sent; SENT or FAILED."),
    ]
    attempts: Annotated[int, Field(ge=0)]
    error: Annotated[str | None, Field(description="Why the last attempt failed.")]
    created_at: Time | None
    ended_at: Time | None


class DeliveriesBody(TypedDict):
    """The deliveries of a task that this client asked for, the newest first."""

    deliveries: list[DeliveryBody]


class HealthBody(TypedDict):
    """The process is alive."""

    status: Literal["alive"]
    version: str


MissingPart = Literal["mongodb", "redis", "workers", "draining"]


class ReadinessBody(TypedDict):
    """Whether the service can process images."""

    status: Literal["ready", "not ready"]
    missing: list[MissingPart]
    workers: Annotated[int, Field(ge=0, description="Live workers.")]
