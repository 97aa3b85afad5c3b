"""What a call is made of, without a transport.

A flow is a generator: it yields steps, gets what came of each, and returns its value. The same
flows run on both clients, which differ only in how they take a step.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from darkroom.client.pictures import Picture

_T = TypeVar("_T")


class Sink(Protocol):
    """Takes the body of an answer with status 200 or 206."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None: ...

    def write(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class Call:
    """A request; gives an ``Answer`` or ``Lost``.

    ``path`` is one of the service. ``patience``: seconds without a byte until it counts as lost.
    ``repeatable``: whether it may be sent again when it is not known whether it arrived.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    watermark: Picture | None = None
    json: object = None
    patience: float = 60
    repeatable: bool = True
    sink: Sink | None = None


@dataclass(frozen=True)
class Listen:
    """A request whose body is read by ``NextLine``; gives an ``Answer`` or ``Lost``.

    An answer with another status than 200 has its whole body.
    """

    call: Call


@dataclass(frozen=True)
class NextLine:
    """The next line of the last ``Listen``: gives a ``Line``, or ``Lost`` at the end."""


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds; gives None."""

    seconds: float


@dataclass(frozen=True)
class Emit:
    """A value that the caller of the flow gets; gives None."""

    value: Any


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and the body unless a sink took it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Line:
    """A line of a stream, without its end."""

    text: str


@dataclass(frozen=True)
class Lost:
    """The connection failed, or ended; ``why`` in words."""

    why: str


Step = Call | Listen | NextLine | Pause | Emit
Outcome = Answer | Line | Lost | None
Flow = Generator[Step, Outcome, _T]
