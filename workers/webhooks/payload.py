"""The payload of a webhook: the document that the HTTP API serves for the ended task or group."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from models.outbox.webhook import SubjectKind, WebhookEvent
from models.store import Store
from models.tasks.group import group_progress
from models.tasks.serializers import group_body, iso, task_body
from models.tasks.task import Status
from workers.outbox import LeaseLost, PermanentFailure

_TYPE_SUFFIXES = {
    Status.SUCCESS: "succeeded",
    Status.FAILURE: "failed",
    Status.CANCELLED: "cancelled",
}


class Payload(NamedTuple):
    """The webhook's type, when the task or group ended, and the JSON body."""

    type: str
    at: datetime
    body: str


async def build_payload(store: Store, webhook: WebhookEvent) -> Payload:
    """Return the payload from the current state of the ledger.

    Raises:
        LeaseLost: the task or group was restarted: the webhook waits for its next end.
        PermanentFailure: the task or group is no longer in the ledger.
        StoreUnavailable: it cannot be read now.
    """
    if webhook.about is SubjectKind.TASK:
        task = await store.tasks.get(webhook.subject)
        if task is None:
            raise PermanentFailure("the task is no longer kept")
        if task.finished_at is None or not task.ended:
            await _wait_for(store, webhook, task.id)
        assert task.finished_at is not None
        return _payload(webhook, task.status, task.finished_at, dict(task_body(task, webhook.name)))
    found = await store.groups.find(webhook.subject)
    if found is None:
        raise PermanentFailure("the group is no longer kept")
    group, tasks = found
    open_ids = [task.id for task in tasks.values() if not task.ended]
    if open_ids:
        await _wait_for(store, webhook, open_ids[0])
    at = max((t.finished_at for t in tasks.values() if t.finished_at), default=group.created_at)
    status = group_progress(group, tasks).status
    return _payload(webhook, status, at, dict(group_body(group, tasks)))


async def _wait_for(store: Store, webhook: WebhookEvent, task_id: str) -> None:
    await store.pending_webhooks.wait_again(webhook.id, {"pending": task_id, "after": None})
    raise LeaseLost


def _payload(
    webhook: WebhookEvent, status: Status, at: datetime, data: dict[str, object]
) -> Payload:
    kind = f"{webhook.about}.{_TYPE_SUFFIXES[status]}"
    return Payload(kind, at, json.dumps({"type": kind, "timestamp": iso(at), "data": data}))
