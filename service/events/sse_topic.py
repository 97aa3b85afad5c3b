"""What event streams tell of: a task or a group as it is now, written down once for all of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.auth.visibility import View
from models.tasks.group import Group
from models.tasks.queue_position import Outlook
from models.tasks.serializers import as_of_old, body, group_body
from models.tasks.task import Task

Kind = Literal["task", "group"]


@dataclass(frozen=True)
class Event:
    """A state: ``text`` is one line of JSON, ``tag`` its name, ``ended``: no other follows."""

    tag: str
    text: str
    ended: bool


@dataclass(eq=False)
class Subject:
    """A task (``group`` is None) or a group, with ``tasks`` by id, of those whose ``view`` has it.

    ``stale``: ids of tasks that changed since they were read. ``gone``: there is none any more.
    ``awaited`` are the events of those who listen: set when there is something new.
    """

    kind: Kind
    id: str
    legacy: bool
    view: View
    group: Group | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)
    outlook: Outlook | None = None
    stale: set[str] = field(default_factory=set)
    gone: bool = False
    awaited: set[asyncio.Event] = field(default_factory=set)
    loading: asyncio.Task[None] | None = None
    users: int = 0
    _state: object = None
    _events: dict[str | None, Event] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return self.group.task_ids if self.group else [self.id]

    @property
    def ready(self) -> bool:
        """Whether it was read."""
        return bool(self.tasks)

    def with_read(self, ids: set[str], read: Mapping[str, Task]) -> dict[str, Task]:
        """Return its tasks, those of ``ids`` as they are in ``read``, if they are there."""
        known = {i: task for i, task in self.tasks.items() if i not in ids}
        known |= {i: read[i] for i in ids if i in read}
        return {i: known[i] for i in self.ids if i in known}

    @property
    def ended(self) -> bool:
        return all(task.ended for task in self.tasks.values())

    def update(self, tasks: Mapping[str, Task], outlook: Outlook | None) -> bool:
        """Take what was read; tell whether that says anything new."""
        self.outlook = outlook
        if self.kind == "task" and not tasks:
            self.gone = True
            return True
        self.tasks = tasks
        state = [(t.id, t.status, t.progress) for t in tasks.values()], self._position()
        if state != self._state:
            self._state = state
            self._events.clear()
            return True
        return False

    def wake(self) -> None:
        """Write down what is new, once for all, and wake who listens."""
        if not self.gone and self.awaited:
            self.event(None)
        for event in self.awaited:
            event.set()

    def event(self, name: str | None) -> Event:
        """Return the state as it is told to those who know the task by its upload ``name``."""
        if self.kind == "task":
            name = self.tasks[self.id].upload(name).name
        if name not in self._events:
            self._events[name] = self._written(name)
        return self._events[name]

    def _written(self, name: str | None) -> Event:
        described: Mapping[str, object] = (
            body(self.tasks[self.id], name, view=self.view)
            if self.group is None
            else group_body(self.group, self.tasks, self.view)
        )
        document: dict[str, Any] = as_of_old(described) if self.legacy else {**described}
        # Not of the time that is left: it passes, and nothing is new.
        left = document.pop("eta_seconds", None)
        document["position"] = self._position()
        text = json.dumps(document)
        tag = hashlib.sha256(text.encode()).hexdigest()[:16]
        eta = json.dumps(self._left() if left is None else left)
        return Event(tag, f'{text[:-1]}, "eta_seconds": {eta}}}', self.ended)

    def _position(self) -> int | None:
        if self.outlook is None:
            return None
        places = [self.outlook.position(task) for task in self.tasks.values()]
        return min((place for place in places if place is not None), default=None)

    def _left(self) -> float | None:
        """Return the seconds until all have ended; of a group that gives no rate itself, too."""
        if self.ended:
            return 0
        if self.outlook is None:
            return None
        left = [self.outlook.left(task) for task in self.tasks.values() if not task.ended]
        known = [each for each in left if each is not None]
        return max(known) if len(known) == len(left) else None
