"""Messages from a child, one JSON line each; untrusted, since an image may have taken it over.

Each kind of message has a model with types and limits for all its members; anything else is
refused. Otherwise it would reach the ledger, logs and other users' responses.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    model_validator,
)

from models.error_members import BY_CODE

# Lengths of texts; a child truncates longer ones.
MAX_DETAIL_CHARACTERS = 2000  # of an error's text
MAX_TRACEBACK_CHARACTERS = 20_000  # of a defect
MAX_FACT_CHARACTERS = 1000  # of one value in the log, and of the name of a log event
_MAX_RESULTS = 1024  # results of a task: MAX_RESULTS is never more
_MAX_UPSCALES = 4096  # of a report: no more fit into a line
_MAX_NOTES = 40  # of a result; there are fewer kinds
_SIDE_LIMIT = 1 << 31
_MAX_MILLISECONDS = 1e12
_MAX_INTEGER = 1 << 62  # MongoDB holds no larger number

Note = Annotated[str, Field(max_length=500)]
ShortText = Annotated[str, Field(max_length=200)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Milliseconds = Annotated[
    dict[Identifier, Annotated[float, Field(ge=0, le=_MAX_MILLISECONDS)]],
    Field(max_length=32),
]
Scalar = ShortText | Annotated[int, Field(ge=-_MAX_INTEGER, le=_MAX_INTEGER)] | float | None
Fact = Scalar | Annotated[list[Scalar], Field(max_length=100)]
ErrorCode = Literal[
    "bad_image",
    "bad_output",
    "bad_parameter",
    "too_large",
    "too_many_pixels",
    "too_much_memory",
    "unsupported_format",
    "weights_missing",
    "weights_unusable",
]
"""Errors that a child may report; all others are raised outside it."""


class _StrictModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Ready(_StrictModel):
    """It has loaded what it needs; ``layers`` says which sandbox layers are active.

    ``network_seconds``: of the bundled network for a million pixels; 0: not measured.
    """

    ready: Literal[True]
    engine: ShortText
    fallback_reason: str
    network_seconds: float = Field(0.0, ge=0, le=_MAX_MILLISECONDS)
    layers: dict[str, str]


class StartRefused(_StrictModel):
    """It does not start: a layer is missing and CHILD_SANDBOX requires it."""

    refused: str


class Progress(_StrictModel):
    """Share of the task that is done, and that its current step leads to."""

    progress: float = Field(ge=0, le=1)
    until: float = Field(0, ge=0, le=1)


class LogMessage(_StrictModel):
    """A record for the log."""

    class Record(_StrictModel):
        level: Identifier
        event: str = Field(max_length=MAX_FACT_CHARACTERS)
        facts: dict[Identifier, Annotated[str, Field(max_length=MAX_FACT_CHARACTERS)]] = Field(
            max_length=32
        )

    log: Record


class WrittenFile(_StrictModel):
    """One file that it wrote."""

    path: str = Field(max_length=4096)
    width: int = Field(gt=0, lt=_SIDE_LIMIT)
    height: int = Field(gt=0, lt=_SIDE_LIMIT)
    bytes: int = Field(ge=0, le=_MAX_INTEGER)
    sha256: Sha256
    notes: list[Note] = Field(max_length=_MAX_NOTES)


class UpscaleReport(_StrictModel):
    """Measurements of one upscale."""

    model: ShortText
    scale: int = Field(ge=1, le=100)
    weights_sha256: Sha256
    engine: ShortText
    psnr: float
    ssim: float
    detail_gain_db: float


class Report(_StrictModel):
    """Measurements of a task."""

    ms: Milliseconds
    upscales: list[UpscaleReport] = Field(max_length=_MAX_UPSCALES)


class Succeeded(_StrictModel):
    """The task is done. ``kept``: intermediate results by the number of operations applied."""

    results: list[WrittenFile] = Field(max_length=_MAX_RESULTS)
    kept: dict[str, WrittenFile] = Field(max_length=_MAX_RESULTS)
    report: Report | None
    ms: Milliseconds


class Failed(_StrictModel):
    """The task failed; ``error`` is the AppError's document."""

    class Error(_StrictModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, Fact] = Field(init=False)

        code: ErrorCode
        detail: str = Field(max_length=MAX_DETAIL_CHARACTERS)

        @model_validator(mode="after")
        def _only_known_members(self) -> Self:
            if unknown := self.__pydantic_extra__.keys() - set(BY_CODE[self.code].members):
                raise ValueError(f"{self.code} has no {min(unknown)[:40]!a}")
            return self

    error: Error


class Defect(_StrictModel):
    """A bug of ours, with its traceback."""

    defect: str = Field(max_length=MAX_TRACEBACK_CHARACTERS)


_TAGS = ("ready", "refused", "progress", "log", "results", "error", "defect")


def _tag(message: Any) -> str | None:
    """Return the kind of a message: each model has a member that no other has."""
    return next((tag for tag in _TAGS if isinstance(message, dict) and tag in message), None)


Message = (
    Annotated[Ready, Tag("ready")]
    | Annotated[StartRefused, Tag("refused")]
    | Annotated[Progress, Tag("progress")]
    | Annotated[LogMessage, Tag("log")]
    | Annotated[Succeeded, Tag("results")]
    | Annotated[Failed, Tag("error")]
    | Annotated[Defect, Tag("defect")]
)
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Discriminator(_tag)])


def parse_message(data: bytes) -> Message:
    """Parse one line from a child.

    Raises:
        ValueError: it is outside the protocol.
    """
    return _MESSAGES.validate_json(data)
