"""What an event says: the document that the service answers, once the task or group has ended."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from models.outbox.webhook import About, Event
from models.store import Store
from models.tasks.group import standing
from models.tasks.serializers import body, group_body, iso
from models.tasks.task import Status
from workers.outbox import Lost, Pointless

_WORDS = {
    Status.SUCCESS: "succeeded",
    Status.FAILURE: "failed",
    Status.CANCELLED: "cancelled",
}


class Content(NamedTuple):
    """The type of an event, when it happened, and the body of the call."""

    kind: str
    at: datetime
    body: str


async def write(store: Store, event: Event) -> Content:
    """Return what is told, as the ledger has it now.

    Raises:
        Lost: what it is about has begun anew: it waits for the next end.
        Pointless: that is no longer in the ledger.
        StoreUnavailable: it cannot be read now.
    """
    if event.about is About.TASK:
        task = await store.tasks.get(event.subject)
        if task is None:
            raise Pointless("the task is no longer kept")
        if task.finished_at is None or not task.ended:
            await _wait(store, event, task.id)
        assert task.finished_at is not None
        return _content(event, task.status, task.finished_at, dict(body(task, event.name)))
    found = await store.groups.find(event.subject)
    if found is None:
        raise Pointless("the group is no longer kept")
    group, tasks = found
    going = [task.id for task in tasks.values() if not task.ended]
    if going:
        await _wait(store, event, going[0])
    at = max((t.finished_at for t in tasks.values() if t.finished_at), default=group.created_at)
    return _content(event, standing(group, tasks).status, at, dict(group_body(group, tasks)))


async def _wait(store: Store, event: Event, task_id: str) -> None:
    await store.awaited.wait(event.id, {"pending": task_id, "after": None})
    raise Lost


def _content(event: Event, status: Status, at: datetime, data: dict[str, object]) -> Content:
    kind = f"{event.about}.{_WORDS[status]}"
    return Content(kind, at, json.dumps({"type": kind, "timestamp": iso(at), "data": data}))
