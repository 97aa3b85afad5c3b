"""Server-sent events: lines of bytes, events of lines, and a flow that follows a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from darkroom.client.errors import BadAnswer, Unreachable
from darkroom.client.retries import send
from darkroom.client.steps import Call, Emit, Flow, Line, Listen, NextLine, Pause

_T = TypeVar("_T")
_MAX_LINE_BYTES = 64 * 1024 * 1024  # a group of 1000 pictures is a line of one megabyte
_MAX_EVENT_CHARACTERS = _MAX_LINE_BYTES  # of all lines of one event
_MAX_RETRY_DIGITS = 9
_PATIENCE = 45.0  # the service sends a comment every 15 s
_EMPTY_STREAMS = 5  # one after the other, until the service counts as unreachable
_LONGEST_PAUSE = 10.0


class LineSplitter:
    """Splits a stream at line feeds only: other separators may stand in a name.

    Carriage returns before them are dropped.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that ``data`` completes; BadAnswer if one is too long."""
        lines: list[bytes] = []
        if b"\n" in data:
            *lines, data = (bytes(self._rest) + data).split(b"\n")
            self._rest.clear()
        self._rest += data  # in place: a long line comes in a thousand pieces
        if len(self._rest) > _MAX_LINE_BYTES:
            raise BadAnswer(f"the service sends a line of more than {_MAX_LINE_BYTES} bytes")
        return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    data: str
    id: str


class EventParser:
    """Reads the lines of an event stream, as WHATWG's HTML standard says."""

    def __init__(self) -> None:
        self.retry_seconds = 2.0
        self._clear()

    def _clear(self) -> None:
        self._name, self._id, self._data = "message", "", list[str]()
        self._characters = 0

    def feed(self, line: str) -> Event | None:
        """Return the event that an empty line completes; BadAnswer if it is too long."""
        if not line:
            event = Event(self._name, "\n".join(self._data), self._id) if self._data else None
            self._clear()
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._characters += len(value) + 1
            if self._characters > _MAX_EVENT_CHARACTERS:
                raise BadAnswer(f"an event has more than {_MAX_EVENT_CHARACTERS} characters")
        elif field == "event":
            self._name = value
        elif field == "id" and value.isascii() and value.isprintable():  # it is sent in a header
            self._id = value
        elif field == "retry" and value.isdecimal() and len(value) <= _MAX_RETRY_DIGITS:
            self.retry_seconds = min(int(value) / 1000, _LONGEST_PAUSE)
        return None


def follow(
    path: str, query: Mapping[str, str], read: Callable[[object], _T], seconds: float
) -> Flow[None]:
    """Emit what ``read`` makes of each event's document, until the end.

    A stream that breaks or is closed is opened again after the last event.
    """
    last_id, empty = "", 0
    while True:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        listening = Listen(Call("GET", path, query, headers, patience=_PATIENCE))
        answer = yield from send(lambda step=listening: step, seconds)  # type: ignore[misc]
        if answer.status == 204:
            return
        parser, empty = EventParser(), empty + 1
        while isinstance(line := (yield NextLine()), Line):
            event = parser.feed(line.text)
            if event is None:
                continue
            if event.name == "end":
                return
            last_id, empty = event.id or last_id, 0
            yield Emit(read(_document(event)))
        if empty >= _EMPTY_STREAMS:
            raise Unreachable(f"{path}: {empty} streams ended without an event")
        yield Pause(parser.retry_seconds)


def _document(event: Event) -> object:
    try:
        return json.loads(event.data)
    except (ValueError, RecursionError):
        raise BadAnswer(f"an event is not JSON: {event.data[:200]!a}") from None
