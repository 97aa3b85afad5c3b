"""What a child says, a line each, read as a stranger's: a picture may have taken it over.

Each kind of line has its form, with types and bounds for all that is in it. Whatever else comes is
no line of a child's: it would end in the ledger, in logs and in what others are answered.
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

from models.errors import BY_CODE

DETAIL = 2000  # characters of an error's sentence; children shorten what is longer
TRACE = 20_000  # ... of what is told of a defect
FACT = 1000  # ... of one fact in the log, and of an event

_MOST = 1024  # results of a task: MAX_RESULTS is never more
_UPSCALES = 4096  # of a report: no more fit into a line
_NOTES = 20  # of a result; there are fewer kinds
_SIDE = 1 << 31
_MS = 1e12
_WHOLE = 1 << 62  # MongoDB holds no larger number

Note = Annotated[str, Field(max_length=500)]
Word = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Milliseconds = Annotated[
    dict[Name, Annotated[float, Field(ge=0, le=_MS)]],
    Field(max_length=32),
]
Scalar = Word | Annotated[int, Field(ge=-_WHOLE, le=_WHOLE)] | float | None
Fact = Scalar | Annotated[list[Scalar], Field(max_length=100)]
Code = Literal[
    "bad_image",
    "bad_output",
    "bad_parameter",
    "too_many_pixels",
    "too_much_memory",
    "unsupported_format",
    "weights_missing",
    "weights_unusable",
]
"""What a child can find; all else is for others to say."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Ready(_Form):
    """It has loaded what it needs, and is confined as ``layers`` tell."""

    ready: Literal[True]
    engine: Word
    why: str
    layers: dict[str, str]


class Unwilling(_Form):
    """It does not start: a layer is missing, and CHILD_SANDBOX asks for it."""

    refused: str


class Progress(_Form):
    """The share of the task that is done."""

    progress: float = Field(ge=0, le=1)


class Logged(_Form):
    """What it wants logged."""

    class Event(_Form):
        level: Name
        event: str = Field(max_length=FACT)
        facts: dict[Name, Annotated[str, Field(max_length=FACT)]] = Field(max_length=32)

    log: Event


class Made(_Form):
    """One file that it wrote."""

    path: str = Field(max_length=4096)
    width: int = Field(gt=0, lt=_SIDE)
    height: int = Field(gt=0, lt=_SIDE)
    bytes: int = Field(ge=0, le=_WHOLE)
    sha256: Sha256
    notes: list[Note] = Field(max_length=_NOTES)


class Upscaled(_Form):
    """What it measured of one upscale."""

    model: Word
    scale: int = Field(ge=1, le=100)
    weights_sha256: Sha256
    engine: Word
    psnr: float
    ssim: float
    detail_gain_db: float


class Report(_Form):
    """What it measured of a task."""

    ms: Milliseconds
    upscales: list[Upscaled] = Field(max_length=_UPSCALES)


class _Final(_Form):
    """The last line of a task; ``held``: bytes that stay in its memory."""

    held: int = Field(0, ge=0)


class Answer(_Final):
    """The task is done. ``kept``: by the number of operations that the file has behind it."""

    results: list[Made] = Field(max_length=_MOST)
    kept: dict[str, Made] = Field(max_length=_MOST)
    report: Report | None
    ms: Milliseconds


class Failed(_Final):
    """The task cannot be done, as an error's document says."""

    class Error(_Form):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, Fact] = Field(init=False)

        code: Code
        detail: str = Field(max_length=DETAIL)

        @model_validator(mode="after")
        def _no_strange_fact(self) -> Self:
            if strange := self.__pydantic_extra__.keys() - set(BY_CODE[self.code].members):
                raise ValueError(f"{self.code} has no {min(strange)[:40]!a}")
            return self

    error: Error


class Defect(_Final):
    """A mistake of ours, and where it was."""

    defect: str = Field(max_length=TRACE)


_TAGS = ("ready", "refused", "progress", "log", "results", "error", "defect")


def _tag(said: Any) -> str | None:
    """Return the kind of a line: each form has a member that no other has."""
    return next((tag for tag in _TAGS if isinstance(said, dict) and tag in said), None)


Line = (
    Annotated[Ready, Tag("ready")]
    | Annotated[Unwilling, Tag("refused")]
    | Annotated[Progress, Tag("progress")]
    | Annotated[Logged, Tag("log")]
    | Annotated[Answer, Tag("results")]
    | Annotated[Failed, Tag("error")]
    | Annotated[Defect, Tag("defect")]
)
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Discriminator(_tag)])


def read(line: bytes) -> Line:
    """Return what ``line`` says.

    Raises:
        ValueError: no child of ours says this.
    """
    return _LINE.validate_json(line)
