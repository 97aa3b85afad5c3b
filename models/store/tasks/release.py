"""How a task lets go of bytes: expressions for the one update that changes what it lists.

What a task no longer lists as a result it lists as ``waste`` in the same update, so that at no
moment, and whoever dies, a file has no owner. ``models.store.files.retention`` deletes it later.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from models.store.mongo.server_time import after
from models.store.tasks.timeline import told
from models.tasks.task import AGAIN as _AGAIN
from models.tasks.task import Status, What

Document = dict[str, Any]

FRESH: Document = {
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
"""A task that nobody has worked at."""

AGAIN: Document = {
    "$or": [
        {"status": {"$in": list(_AGAIN)}},
        {"status": Status.SUCCESS, "results.gone.reason": {"$exists": True}},
    ]
}
"""The query for ``Task.again``."""

KEPT: Document = {"$eq": [{"$ifNull": ["$$each.gone", None]}, None]}
"""Whether a result (``$$each``) still has its bytes."""


def listing(file_id: ObjectId) -> Document:
    """Return the condition on ``results`` that the file is one of them, and still there."""
    return {"$elemMatch": {"file_id": file_id, "gone": None}}


def owner(task_id: str, file_id: ObjectId) -> Document:
    """Return the query for the task of that id if it lists the file, as a result or as waste."""
    return {"_id": task_id, "$or": [{"results": listing(file_id)}, {"waste.file_id": file_id}]}


_RESULTS: Document = {"$ifNull": ["$results", []]}


def wasted(grace: float, which: Document = KEPT) -> Document:
    """Return the expression for ``waste`` with the files of those results added."""
    due = {"$filter": {"input": _RESULTS, "as": "each", "cond": {"$and": [KEPT, which]}}}
    entry = {"file_id": "$$each.file_id", "until": after(grace)}
    added = {"$map": {"input": due, "as": "each", "in": entry}}
    return {"$concatArrays": [{"$ifNull": ["$waste", []]}, added]}


def freed(grace: float, reason: str, which: Document = KEPT) -> Document:
    """Return the change by which a task lets go of the bytes of those results, not of their story.

    ``grace``: seconds until they are deleted. ``which``: a condition on ``$$each``.
    """
    note = {"$mergeObjects": ["$$each", {"gone": {"reason": reason, "at": "$$NOW"}}]}
    either = {"$cond": [{"$and": [KEPT, which]}, note, "$$each"]}
    return {
        "waste": wasted(grace, which),
        "results": {"$map": {"input": _RESULTS, "as": "each", "in": either}},
    }


def revived(grace: float, cause: str | None = None) -> Document:
    """Return the change by which a task begins anew; what it still had is let go of.

    ``cause``: why, where nobody asked for it.
    """
    return {**FRESH, "waste": wasted(grace), **told(What.ASKED_AGAIN, cause=cause)}
