"""Listening to server-sent events as the standard reads them (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Event:
    kind: str = "message"
    id: str | None = None
    data: Any = None


@dataclass
class Stream:
    """The answer of an event stream; ``comments`` and ``retries`` as they came."""

    response: Any
    comments: list[str] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the other side closes."""
        event = Event()
        lines: list[str] = []
        async for line in self.response.content:
            name, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if not name and not value:
                if lines:
                    event.data = json.loads("\n".join(lines))
                    yield event
                event, lines = Event(), []
            elif not name:
                self.comments.append(value)
            elif name == "data":
                lines.append(value)
            elif name == "retry":
                self.retries.append(int(value))
            elif name == "event":
                event.kind = value
            elif name == "id":
                event.id = value
            else:
                raise AssertionError(f"unknown field {name!r}")

    async def next(self) -> Event:
        return await anext(self.events())

    async def all(self) -> list[Event]:
        return [event async for event in self.events()]


async def listen(client: Any, path: str, last: str | None = None) -> Stream:
    """Connect as a browser's EventSource does; ``last``: the id it saw last."""
    headers = {"Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = last
    response = await client.get(path, headers=headers)
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    return Stream(response)
