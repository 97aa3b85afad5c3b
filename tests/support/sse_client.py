"""Client for server-sent events that parses them as the standard says (WHATWG HTML, 9.2.6)."""

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
    """The response of an event stream; ``comments`` and ``retries`` in order of arrival."""

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


async def listen(client: Any, path: str, last_event_id: str | None = None) -> Stream:
    """Connect as a browser's EventSource does; ``last_event_id``: of a reconnect."""
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    response = await client.get(path, headers=headers)
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    return Stream(response)
