"""A task's timeline: one entry for each change of state, written by the same update.

The functions return expressions for the ``$set`` stage of an update; they see the task as it was
before that update.
"""

from __future__ import annotations

from typing import Any

from models.tasks.task import MAX_TIMELINE_ENTRIES, Status, TimelineAction

Document = dict[str, Any]

_ENTRIES: Document = {"$ifNull": ["$timeline", []]}  # older versions wrote none


def append_entry(
    action: TimelineAction, *, worker: str | None = None, cause: str | None = None
) -> Document:
    """Return the change that appends an entry; the oldest beyond MAX_TIMELINE_ENTRIES are dropped.

    ``worker``: by default the holder of the lease. ``cause``: the reason, as a code.
    """
    return {"timeline": _newest([_ENTRIES, [_entry(action, worker, cause)]])}


def append_entry_after_lease(
    action: TimelineAction, *, worker: str | None = None, cause: str | None = None
) -> Document:
    """Return the same change, with an entry before it if a lease has expired."""
    over = {
        "at": "$lease.until",
        "what": str(TimelineAction.LEASE_EXPIRED),
        "worker": "$lease.worker",
        "cause": "$lease.cause",
    }
    held = {"$cond": [{"$eq": ["$status", Status.STARTED]}, [over], []]}
    return {"timeline": _newest([_ENTRIES, held, [_entry(action, worker, cause)]])}


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
