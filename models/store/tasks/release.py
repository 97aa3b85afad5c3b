"""Expressions that release a task's result files in the same update that changes its results.

A file that leaves ``results`` enters ``waste`` in the same update, so that it always has an owning
task, whichever process dies. ``models.store.files.retention`` deletes it later.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from models.store.mongo.server_time import now_plus
from models.store.tasks.timeline import append_entry
from models.tasks.task import RESTARTABLE as _RESTARTABLE_STATUSES
from models.tasks.task import Status, TimelineAction

Document = dict[str, Any]

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

HAS_BYTES: Document = {"$eq": [{"$ifNull": ["$$each.gone", None]}, None]}
"""Whether a result (``$$each``) still has its bytes."""


def lists_file(file_id: ObjectId) -> Document:
    """Return the condition on ``results`` that the file is one of them and not removed."""
    return {"$elemMatch": {"file_id": file_id, "gone": None}}


def owning_task(task_id: str, file_id: ObjectId) -> Document:
    """Return the query for the task with that id if it lists the file as a result or as waste."""
    return {"_id": task_id, "$or": [{"results": lists_file(file_id)}, {"waste.file_id": file_id}]}


_RESULTS: Document = {"$ifNull": ["$results", []]}


def released_files(grace: float, which: Document = HAS_BYTES) -> Document:
    """Return the expression for ``waste`` plus the files of the results that match ``which``."""
    released = {"$filter": {"input": _RESULTS, "as": "each", "cond": {"$and": [HAS_BYTES, which]}}}
    entry = {"file_id": "$$each.file_id", "until": now_plus(grace)}
    added = {"$map": {"input": released, "as": "each", "in": entry}}
    return {"$concatArrays": [{"$ifNull": ["$waste", []]}, added]}


def release_results(grace: float, reason: str, which: Document = HAS_BYTES) -> Document:
    """Return the change that releases the bytes of results and keeps their metadata.

    ``grace``: seconds until the files are deleted. ``which``: a condition on ``$$each``.
    """
    removed = {"$mergeObjects": ["$$each", {"gone": {"reason": reason, "at": "$$NOW"}}]}
    result = {"$cond": [{"$and": [HAS_BYTES, which]}, removed, "$$each"]}
    return {
        "waste": released_files(grace, which),
        "results": {"$map": {"input": _RESULTS, "as": "each", "in": result}},
    }


def restart(grace: float, cause: str | None = None) -> Document:
    """Return the change that restarts a task and releases the results it still had.

    ``cause``: the reason, if no client asked for it.
    """
    return {
        **NEW_TASK,
        "waste": released_files(grace),
        **append_entry(TimelineAction.ASKED_AGAIN, cause=cause),
    }
