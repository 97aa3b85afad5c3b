"""State transitions of a task: the fields of new, restarted and ended tasks, and the timeline.

The functions return expressions for the ``$set`` stage of an update; they see the task as it was
before that update. The same update appends to the timeline, and a result file that leaves
``results`` enters ``waste``, so that it always has an owning task, whichever process dies;
``models.store.files.retention`` deletes it later.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from models.store.mongo.repository import Document, now_plus
from models.tasks.task import MAX_TIMELINE_ENTRIES, Status, TimelineAction
from models.tasks.task import RESTARTABLE as _RESTARTABLE_STATUSES

NEW_TASK: Document = {
    "status": Status.CREATED,
    "progress": 0,
    "attempts": 0,
    "lease": None,
    "results": [],
    "error": None,
    "report": None,
    "stages": None,
    "started_at": None,
    "finished_at": None,
}
"""The fields of a task that no worker has claimed."""

RESTARTABLE: Document = {
    "$or": [
        {"status": {"$in": list(_RESTARTABLE_STATUSES)}},
        {"status": Status.SUCCESS, "results.gone.reason": {"$exists": True}},
    ]
}
"""The query for ``Task.restartable``."""

_HAS_BYTES: Document = {"$eq": [{"$ifNull": ["$$each.gone", None]}, None]}
"""Whether a result (``$$each``) still has its bytes."""

_RESULTS: Document = {"$ifNull": ["$results", []]}
_TIMELINE: Document = {"$ifNull": ["$timeline", []]}  # older versions wrote none


def restart(grace: float, cause: str | None = None) -> Document:
    """Return the change that restarts a task and releases the results it still had.

    ``cause``: the reason, if no client asked for it.
    """
    return {
        **NEW_TASK,
        "waste": released_files(grace),
        **append_entry(TimelineAction.ASKED_AGAIN, cause=cause),
    }


def ended(
    status: Status, action: TimelineAction, error: Document | None = None, cause: str | None = None
) -> Document:
    """Return the change that ends a task in ``status``, and its lease with it."""
    return {
        **append_entry(action, cause=cause),
        "status": status,
        "error": {"$literal": error},
        "lease": None,
        "finished_at": "$$NOW",
    }


def failed(error: Document) -> Document:
    """Return the change that ends a task in FAILURE with ``error``."""
    return ended(Status.FAILURE, TimelineAction.FAILED, error, str(error.get("code")))


def append_entry(action: TimelineAction, *, cause: str | None = None) -> Document:
    """Return the change that appends an entry; the oldest beyond MAX_TIMELINE_ENTRIES are dropped.

    ``cause``: the reason, as a code.
    """
    return {"timeline": _newest([_TIMELINE, [_entry(action, None, cause)]])}


def append_entry_after_lease(
    action: TimelineAction, *, worker: str | None = None, cause: str | None = None
) -> Document:
    """Return the same change, with an entry before it if a lease has expired.

    ``worker``: by default the holder of the lease.
    """
    over = {
        "at": "$lease.until",
        "what": str(TimelineAction.LEASE_EXPIRED),
        "worker": "$lease.worker",
        "cause": "$lease.cause",
    }
    held = {"$cond": [{"$eq": ["$status", Status.STARTED]}, [over], []]}
    return {"timeline": _newest([_TIMELINE, held, [_entry(action, worker, cause)]])}


def _entry(action: TimelineAction, worker: str | None, cause: str | None) -> Document:
    # A field whose path does not exist is left out.
    return {
        "at": "$$NOW",
        "what": str(action),
        "worker": "$lease.worker" if worker is None else {"$literal": worker},
        "cause": "$$REMOVE" if cause is None else {"$literal": cause},
    }


def _newest(parts: list[Any]) -> Document:
    return {"$slice": [{"$concatArrays": parts}, -MAX_TIMELINE_ENTRIES]}


def lists_file(file_id: ObjectId) -> Document:
    """Return the condition on ``results`` that the file is one of them and not removed."""
    return {"$elemMatch": {"file_id": file_id, "gone": None}}


def owning_task(task_id: str, file_id: ObjectId) -> Document:
    """Return the query for the task with that id if it lists the file as a result or as waste."""
    return {"_id": task_id, "$or": [{"results": lists_file(file_id)}, {"waste.file_id": file_id}]}


def released_files(grace: float, which: Document = _HAS_BYTES) -> Document:
    """Return the expression for ``waste`` plus the files of the results that match ``which``."""
    released = {"$filter": {"input": _RESULTS, "as": "each", "cond": {"$and": [_HAS_BYTES, which]}}}
    entry = {"file_id": "$$each.file_id", "until": now_plus(grace)}
    added = {"$map": {"input": released, "as": "each", "in": entry}}
    return {"$concatArrays": [{"$ifNull": ["$waste", []]}, added]}


def release_results(grace: float, reason: str, which: Document = _HAS_BYTES) -> Document:
    """Return the change that releases the bytes of results and keeps their metadata.

    ``grace``: seconds until the files are deleted. ``which``: a condition on ``$$each``.
    """
    removed = {"$mergeObjects": ["$$each", {"gone": {"reason": reason, "at": "$$NOW"}}]}
    result = {"$cond": [{"$and": [_HAS_BYTES, which]}, removed, "$$each"]}
    return {
        "waste": released_files(grace, which),
        "results": {"$map": {"input": _RESULTS, "as": "each", "in": result}},
    }
