"""State of one task or group, serialized once for all its streams; one open stream."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.auth.visibility import View
from models.tasks.group import Group
from models.tasks.queue_position import QueueSnapshot
from models.tasks.serializers import group_body, task_body, with_legacy_status
from models.tasks.task import Task

Kind = Literal["task", "group"]

_ETA = re.compile(r', "eta_seconds": [^,}]*')  # in a JSON string its quotes have backslashes


@dataclass(frozen=True)
class Event:
    """A state: ``text`` is one line of JSON, ``tag`` its event id; ``ended``: it is the last."""

    tag: str
    text: str
    ended: bool


@dataclass(eq=False)
class Topic:
    """A task, as a group of one, or a group with its ``tasks`` by id, for streams of one ``view``.

    ``stale``: ids of tasks that changed since they were read. ``gone``: the task no longer exists.
    ``listeners``: one event per open stream, set when the state changed.
    """

    kind: Kind
    id: str
    legacy: bool
    view: View
    group: Group | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)
    queue_snapshot: QueueSnapshot = field(init=False)
    stale: set[str] = field(default_factory=set)
    gone: bool = False
    listeners: set[asyncio.Event] = field(default_factory=set)
    stream_count: int = 0
    _state: object = None
    _events: dict[str | None, Event] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return self.group.task_ids if self.group else [self.id]

    @property
    def loaded(self) -> bool:
        """Whether the tasks have been read."""
        return bool(self.tasks)

    def merge(self, ids: set[str], read: Mapping[str, Task]) -> dict[str, Task]:
        """Return the tasks; those of ``ids`` come from ``read``, if it has them."""
        merged = {i: task for i, task in self.tasks.items() if i not in ids}
        merged |= {i: read[i] for i in ids if i in read}
        return {i: merged[i] for i in self.ids if i in merged}

    @property
    def ended(self) -> bool:
        return all(task.ended for task in self.tasks.values())

    def update(self, tasks: Mapping[str, Task], queue_snapshot: QueueSnapshot) -> bool:
        """Store what was read; tell whether the state changed."""
        self.queue_snapshot = queue_snapshot
        if self.kind == "task" and not tasks:
            self.gone = True
            return True
        self.tasks = tasks
        etas = map(queue_snapshot.eta_seconds, tasks.values())
        state = (
            [(t.id, t.status, t.progress) for t in tasks.values()],
            self._queue_position(),
            [None if eta is None else round(eta, 1) for eta in etas],
        )
        if state != self._state:
            self._state = state
            self._events.clear()
            return True
        return False

    def notify(self) -> None:
        """Serialize the new state once and wake all streams."""
        if not self.gone and self.listeners:
            self.event(None)
        for event in self.listeners:
            event.set()

    def event(self, name: str | None) -> Event:
        """Return the state for streams that know the task by its upload ``name``."""
        if self.kind == "task":
            name = self.tasks[self.id].upload(name).name
        if name not in self._events:
            self._events[name] = self._serialize(name)
        return self._events[name]

    def _serialize(self, name: str | None) -> Event:
        assert self.group is not None  # it is loaded
        body: Mapping[str, object] = (
            task_body(self.tasks[self.id], name, view=self.view, queue=self.queue_snapshot)
            if self.kind == "task"
            else group_body(self.group, self.tasks, self.view, self.queue_snapshot)
        )
        document: dict[str, Any] = with_legacy_status(body) if self.legacy else {**body}
        text = json.dumps({**document, "position": self._queue_position()})
        # The tag excludes the ETAs, which every service estimates for itself.
        tag = hashlib.sha256(_ETA.sub("", text).encode()).hexdigest()[:16]
        return Event(tag, text, self.ended)

    def _queue_position(self) -> int | None:
        positions = [self.queue_snapshot.position(task) for task in self.tasks.values()]
        return min((p for p in positions if p is not None), default=None)


@dataclass(eq=False)
class EventStream:
    """One open stream; ``disconnected`` tells whether the client disconnected."""

    topic: Topic
    name: str | None
    disconnected: Callable[[], bool]
    shutdown: asyncio.Event
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _known: str | None = None  # the text of the last event, or what the client came back with

    @property
    def closed(self) -> bool:
        """Whether no more events follow."""
        return self.shutdown.is_set() or self.topic.gone or self.disconnected()

    def current_event(self) -> Event:
        """Return the known state."""
        return self.topic.event(self.name)

    async def next_event(self, last: str, until: float) -> Event | None:
        """Return the newest state other than ``last``; None when the stream must close.

        Also the same state with other ETAs than were sent. States between two calls are dropped: a
        slow reader gets the newest one.
        """
        loop = asyncio.get_running_loop()
        while loop.time() < until and not self.closed:
            event = self.current_event()
            if event.tag != last or event.text != (self._known or event.text):
                self._known = event.text
                return event
            self._known = event.text
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self.changed.wait()
        return None
