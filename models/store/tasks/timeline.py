"""What a task went through: one entry for each change of its state, written by the same update.

Expressions for the stage ``$set`` of an update: they see the task as it was before that update.
"""

from __future__ import annotations

from typing import Any

from models.tasks.task import TIMELINE, Status, What

Document = dict[str, Any]

_SO_FAR: Document = {"$ifNull": ["$timeline", []]}  # older versions wrote none


def told(what: What, *, worker: str | None = None, cause: str | None = None) -> Document:
    """Return the change that adds an entry; of more than TIMELINE the oldest go.

    ``worker``: by default who holds the lease. ``cause``: why, as a code.
    """
    return {"timeline": _ended_by([_SO_FAR, [_entry(what, worker, cause)]])}


def told_after_lease(
    what: What, *, worker: str | None = None, cause: str | None = None
) -> Document:
    """Return the same, with an entry before it for a lease that ran out, if there is one."""
    over = {
        "at": "$lease.until",
        "what": str(What.LEASE_EXPIRED),
        "worker": "$lease.worker",
        "cause": "$lease.cause",
    }
    held = {"$cond": [{"$eq": ["$status", Status.STARTED]}, [over], []]}
    return {"timeline": _ended_by([_SO_FAR, held, [_entry(what, worker, cause)]])}


def _entry(what: What, worker: str | None, cause: str | None) -> Document:
    # A field whose path leads nowhere is left out.
    return {
        "at": "$$NOW",
        "what": str(what),
        "worker": "$lease.worker" if worker is None else {"$literal": worker},
        "cause": "$$REMOVE" if cause is None else {"$literal": cause},
    }


def _ended_by(parts: list[Any]) -> Document:
    return {"$slice": [{"$concatArrays": parts}, -TIMELINE]}
