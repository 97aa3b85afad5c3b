"""EventStream: one open stream of server-sent events, which waits for the next state to send."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from service.events.sse_topic import Event, Topic


@dataclass(eq=False)
class EventStream:
    """One open stream; ``disconnected`` tells whether the client disconnected."""

    topic: Topic
    name: str | None
    disconnected: Callable[[], bool]
    shutdown: asyncio.Event
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def closed(self) -> bool:
        """Whether no more events follow."""
        return self.shutdown.is_set() or self.topic.gone or self.disconnected()

    def current_event(self) -> Event:
        """Return the known state."""
        return self.topic.event(self.name)

    async def next_event(self, last: str, until: float) -> Event | None:
        """Return the newest state other than ``last``; None when the stream must close.

        States between two calls are dropped: a slow reader gets the newest one.
        """
        loop = asyncio.get_running_loop()
        while loop.time() < until and not self.closed:
            event = self.current_event()
            if event.tag != last:
                return event
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self.changed.wait()
        return None
