"""What the dashboard's API says of a worker and of a task.

No lease's token, no address: a client is a pseudonym, and the public document of a task stays as it
is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from yarl import URL

from models.outbox.item import Mailing
from models.outbox.webhook import Event
from models.tasks.schemas import ResultBody
from models.tasks.serializers import body, iso
from models.tasks.task import OPEN, Task
from service.dashboard.schemas import DetailBody, RowBody, WebhookBody, WorkerBody


def worker_document(entry: Mapping[str, Any], silent_after: float) -> WorkerBody:
    """Return what is said of a worker; one of an older version says less of itself."""
    silent = max(0.0, float(entry["silent"]))
    memory = entry.get("memory") or {}
    return {
        "name": str(entry["_id"]),
        "host": entry.get("host") or str(entry["_id"]).rpartition(":")[0],
        "pid": entry.get("pid"),
        "state": "silent" if silent > silent_after else entry.get("state", "running"),
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


def row(task: Task) -> RowBody:
    """Return a task as one of many."""
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


def detail(
    task: Task, events: Sequence[Event], link: Callable[[str], str] | None = None
) -> DetailBody:
    """Return all that an operator may know of a task; ``link`` signs the paths of its results."""
    lease, shown = task.lease or {}, body(task)
    if link is not None:
        shown["results"] = [_linked(each, link) for each in shown["results"]]
        shown["url"] = shown["results"][0]["url"] if shown["results"] else None
    return {
        **shown,
        "names": [upload.name for upload in task.uploads],
        "attempts": task.attempts,
        "client": task.client,
        "worker": task.worker,
        "lease_until": iso(lease.get("until")),
        "asked_at": iso(task.asked_at or task.created_at),
        "timeline": [
            {"at": iso(each.at), "what": each.what, "worker": each.worker, "cause": each.cause}
            for each in task.timeline
        ],
        "stages_ms": task.stages,
        "webhooks": [webhook(event) for event in events],
        "actions": _actions(task),
    }


def _linked(result: ResultBody, link: Callable[[str], str]) -> ResultBody:
    return {**result, "url": link(result["name"])} if result["url"] else result


def webhook(event: Event) -> WebhookBody:
    """Return an event and its calls; a query may hold the receiver's secret, so it is left out."""
    url = URL(event.url)
    open_one = event.status is Mailing.CREATED
    return {
        "id": event.id,
        "type": event.type,
        "about": event.about.value,
        "subject": event.subject,
        "url": f"{url.with_query(None)}{'?…' if url.raw_query_string else ''}",
        "status": event.status,
        "attempts": event.attempts,
        "created_at": iso(event.created_at),
        "due_at": iso(event.due_at) if open_one else None,
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


def _actions(task: Task) -> list[Literal["retry", "cancel"]]:
    if task.status in OPEN:
        return ["cancel"]
    return ["retry"] if task.again else []
