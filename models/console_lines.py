"""Log lines for people: one line each, coloured on a terminal; text of clients stays within it."""

from __future__ import annotations

from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_INDENT = "\n    | "
"""Begins each line of a traceback: none of them can pass for a line of the log."""
_EVENT_CHARACTERS = 20  # the events of a service are about as long: their values form a column


def console_processors(colours: bool) -> list[Processor]:
    """Return the processors that render an event as a line, its traceback below it."""
    return [
        _shorten_time,
        _escape,
        structlog.dev.ConsoleRenderer(
            colors=colours, sort_keys=False, pad_event_to=_EVENT_CHARACTERS
        ),
    ]


def escaped(text: str) -> str:
    r"""Return ``text`` without control characters: a terminal would obey them.

    What `str.isprintable` refuses becomes its escape, as ``\x1b``; so do the characters that turn
    the direction of text.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _shorten_time(logger: Any, method: str, event: EventDict) -> EventDict:
    """Leave hours, minutes and seconds (UTC): who looks at a terminal knows the day."""
    if isinstance(time := event.get("timestamp"), str):
        event["timestamp"] = time[11:19]
    event.pop("logger", None)  # a JSON line has it; a person knows the event
    return event


def _escape(logger: Any, method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name == "exception":
            lines = map(escaped, str(value).split("\n"))
            event[name] = _INDENT.lstrip("\n") + _INDENT.join(lines)
        elif isinstance(value, str):
            event[name] = escaped(value)
    return {escaped(name): value for name, value in event.items()}
