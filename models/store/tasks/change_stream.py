"""Changes of tasks from one change stream: only those that end, or all of status and progress."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from motor.motor_asyncio import AsyncIOMotorChangeStream, AsyncIOMotorCollection

from models.store.mongo.repository import Document, raising_unavailable
from models.tasks.task import ENDED, Status

_Stream = AsyncIOMotorChangeStream[Document]

_FIELDS = "updateDescription.updatedFields"
_ALL_CHANGES: Document = {
    "$or": [
        {"operationType": {"$in": ["insert", "replace", "delete"]}},
        {f"{_FIELDS}.status": {"$exists": True}},
        {f"{_FIELDS}.progress": {"$exists": True}},
    ]
}
_ENDINGS: Document = {f"{_FIELDS}.status": {"$in": list(ENDED)}}
# Not the document: changed tasks are read in one query, and only those with a reader.
_PROJECTION: Document = {
    "documentKey": 1,
    "clusterTime": 1,
    "status": {"$ifNull": [f"${_FIELDS}.status", "$fullDocument.status"]},
}
_MAX_AWAIT_MS = 1000  # the server holds its reply this long if nothing changes


@dataclass(frozen=True)
class TaskChange:
    """A new or changed task; ``status``: its new status, None if that did not change."""

    task_id: str
    status: Status | None


class TaskChangeStream:
    """Changes of the collection ``tasks``, for one reader: tasks that end, or all changes."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection
        self._detailed = False
        self._mode_changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    def set_detailed(self, detailed: bool) -> None:
        """Report all changes of status and progress from now on, or only tasks that end."""
        if detailed is not self._detailed:
            self._detailed = detailed
            self._mode_changed.set()

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[TaskChange]]:
        """Yield changes as they happen; switching the mode meanwhile loses none and may repeat one.

        Raises:
            StoreUnavailable: the stream broke; changes may have been missed.
        """
        self._mode_changed.clear()
        with raising_unavailable():
            stream = self._open({})
            # This opens it now, so that no change before the first wait is missed.
            await stream.try_next()
            async with contextlib.aclosing(self._follow(stream)) as changes:
                yield changes

    def _open(self, start: Document) -> _Stream:
        stream: _Stream = self._tasks.watch(
            [{"$match": _ALL_CHANGES if self._detailed else _ENDINGS}, {"$project": _PROJECTION}],
            max_await_time_ms=_MAX_AWAIT_MS,
            **start,
        )
        return stream

    async def _follow(self, stream: _Stream) -> AsyncGenerator[TaskChange]:
        """Yield the changes of ``stream``, and of its replacements when the mode changes."""
        pending: asyncio.Future[Document | None] | None = None
        # Where the next stream would start. Not at the token of a change: the server finds that
        # only with the pipeline that reported it. At the change's time, or at the token of a
        # mere position.
        token = stream.resume_token
        start: Document = {"resume_after": token}
        try:
            while True:
                pending = asyncio.ensure_future(stream.try_next())
                switched = asyncio.ensure_future(self._mode_changed.wait())
                await asyncio.wait({pending, switched}, return_when=asyncio.FIRST_COMPLETED)
                switched.cancel()
                if self._mode_changed.is_set() and not pending.done():
                    # The next stream starts at this one's position: it reports what this one would.
                    self._mode_changed.clear()
                    self._close_in_background(stream, pending)
                    stream, pending = self._open(start), None
                    continue
                change, before, token = pending.result(), token, stream.resume_token
                if change is None:
                    start = start if token == before else {"resume_after": token}
                else:
                    start = {"start_at_operation_time": change["clusterTime"]}
                    status = change.get("status")
                    yield TaskChange(
                        str(change["documentKey"]["_id"]), Status(status) if status else None
                    )
        finally:
            self._close_in_background(stream, pending)

    def _close_in_background(
        self, stream: _Stream, pending: asyncio.Future[Document | None] | None
    ) -> None:
        """Close a stream once the call that waits for the server in a thread has returned."""

        async def close() -> None:
            with contextlib.suppress(Exception):
                if pending is not None:
                    await pending
            with contextlib.suppress(Exception):
                await stream.close()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
