"""Serialize workers, tasks and webhooks for the dashboard API.

Lease tokens and client addresses are left out; a client is a pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from yarl import URL

from models.auth.visibility import View
from models.outbox.item import DeliveryStatus
from models.outbox.webhook import WebhookEvent
from models.store.tasks.worker_registry import HEARTBEAT_TIMEOUT_SECONDS
from models.tasks.serializers import iso, task_body
from models.tasks.task import OPEN, Task
from service.dashboard.schemas import WorkerBody
from service.dashboard.task_schemas import TaskDetailBody, TaskRowBody, WebhookBody


def worker_document(entry: Mapping[str, Any]) -> WorkerBody:
    """Return the document of a worker; workers of older versions report fewer members."""
    silent = max(0.0, float(entry["silent"]))
    memory = entry.get("memory") or {}
    return {
        "name": str(entry["_id"]),
        "host": entry.get("host") or str(entry["_id"]).rpartition(":")[0],
        "pid": entry.get("pid"),
        "state": "silent" if silent > HEARTBEAT_TIMEOUT_SECONDS else entry.get("state", "running"),
        "drain": bool(entry.get("drain")),
        "silent_seconds": round(silent, 1),
        "started_at": iso(entry.get("started_at")),
        "engine": entry.get("engine", ""),
        "places": entry.get("places"),
        "children": [
            {"pid": child["pid"], "state": child["state"]} for child in entry.get("children", ())
        ],
        "tasks": [
            {"task_id": each["id"], "progress": each["progress"], "since": iso(each["since"])}
            for each in entry.get("tasks", ())
        ],
        "in_hand": entry.get("in_hand", 0),
        "done": entry.get("done"),
        "failed": entry.get("failed"),
        "load": entry.get("load"),
        "cores": entry.get("cores"),
        "memory": {"worker": memory.get("worker"), "children": memory.get("children")},
    }


def task_row(task: Task) -> TaskRowBody:
    """Return the document of a task in a list."""
    code = task.error.get("code") if task.error else None
    return {
        "task_id": task.id,
        "status": task.status,
        "progress": task.progress,
        "name": task.uploads[0].name,
        "names": len(task.uploads),
        "operations": [str(operation["op"]) for operation in task.operations],
        "worker": task.worker,
        "attempts": task.attempts,
        "error": code,
        "created_at": iso(task.created_at),
        "asked_at": iso(task.asked_at or task.created_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
    }


def task_detail(
    task: Task, events: Sequence[WebhookEvent], original_bytes: int | None, view: View
) -> TaskDetailBody:
    """Return the details of a task and its webhooks, for a client with ``view``.

    ``original_bytes``: of its original; None if that is gone.
    """
    lease = task.lease or {}
    return {
        **task_body(task, view=view),
        "names": [upload.name for upload in task.uploads],
        "attempts": task.attempts,
        "client": task.client,
        "worker": task.worker,
        "lease_until": iso(lease.get("until")),
        "asked_at": iso(task.asked_at or task.created_at),
        "original": None
        if original_bytes is None
        else {"url": f"/dashboard/api/tasks/{task.id}/original", "bytes": original_bytes},
        "timeline": [
            {"at": iso(each.at), "what": each.what, "worker": each.worker, "cause": each.cause}
            for each in task.timeline
        ],
        "stages_ms": task.stages,
        "webhooks": [webhook_document(event) for event in events],
        "actions": _allowed_actions(task),
    }


def webhook_document(event: WebhookEvent) -> WebhookBody:
    """Return a webhook and its attempts, without the URL's query, which may hold a secret."""
    url = URL(event.url)
    pending = event.status is DeliveryStatus.CREATED
    return {
        "id": event.id,
        "type": event.type,
        "about": event.about.value,
        "subject": event.subject,
        "url": f"{url.with_query(None)}{'?…' if url.raw_query_string else ''}",
        "status": event.status,
        "attempts": event.attempts,
        "created_at": iso(event.created_at),
        "due_at": iso(event.due_at) if pending else None,
        "ended_at": iso(event.ended_at),
        "error": event.error,
        "calls": [
            {
                "at": iso(each.at),
                "ms": each.ms,
                "outcome": each.outcome,
                "status": each.status,
                "worker": each.worker,
            }
            for each in event.log
        ],
        "actions": ["redeliver"] if event.redeliverable else [],
    }


def _allowed_actions(task: Task) -> list[Literal["retry", "cancel"]]:
    if task.status in OPEN:
        return ["cancel"]
    return ["retry"] if task.restartable else []
