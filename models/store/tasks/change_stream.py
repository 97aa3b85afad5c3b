"""What changes in the ledger, by one change stream: endings only, unless more is wanted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from motor.motor_asyncio import AsyncIOMotorChangeStream, AsyncIOMotorCollection
from pymongo.errors import PyMongoError

from models.errors import StoreUnavailable
from models.store.mongo.errors import unavailable
from models.tasks.task import ENDED, Status

Document = dict[str, Any]
_Stream = AsyncIOMotorChangeStream[Document]

_FIELDS = "updateDescription.updatedFields"
_ENDINGS: Document = {f"{_FIELDS}.status": {"$in": list(ENDED)}}
_EVERYTHING: Document = {
    "$or": [
        {"operationType": {"$in": ["insert", "replace", "delete"]}},
        {f"{_FIELDS}.status": {"$exists": True}},
        {f"{_FIELDS}.progress": {"$exists": True}},
    ]
}
# Not the document: its changes are looked up together, and only those that somebody wants.
_SHORT: Document = {
    "documentKey": 1,
    "clusterTime": 1,
    "status": {"$ifNull": [f"${_FIELDS}.status", "$fullDocument.status"]},
}
_AWAIT = 1000  # milliseconds the server holds an answer when nothing happens


@dataclass(frozen=True)
class Change:
    """A task that is new or changed; ``status``: what it is now, None if that did not change."""

    task_id: str
    status: Status | None


class Feed:
    """The changes of the collection ``tasks``, for one reader."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection
        self._wide = False
        self._switch = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()

    def widen(self, wide: bool) -> None:
        """Tell all changes of status and progress from now on, or only tasks that end."""
        if wide is not self._wide:
            self._wide = wide
            self._switch.set()

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Give changes as they happen; to widen it in the middle loses none, and may repeat one.

        Raises:
            StoreUnavailable: the stream broke; changes may have been missed.
        """
        self._switch.clear()
        stream = self._open({})
        try:
            await stream.try_next()  # opened now, not at the first wait: nothing slips between
            async with contextlib.aclosing(self._follow(stream)) as followed:
                yield followed
        except PyMongoError as error:
            if not unavailable(error) and not error.has_error_label("ResumableChangeStreamError"):
                raise
            raise StoreUnavailable("the change stream broke", store="mongodb") from error

    def _open(self, place: Document) -> _Stream:
        wanted = _EVERYTHING if self._wide else _ENDINGS
        stream: _Stream = self._tasks.watch(
            [{"$match": wanted}, {"$project": _SHORT}],
            max_await_time_ms=_AWAIT,
            **place,
        )
        return stream

    async def _follow(self, stream: _Stream) -> AsyncGenerator[Change]:
        """Yield the changes of ``stream``, and of those opened in its place when it is widened."""
        coming: asyncio.Future[Document | None] | None = None
        # Where the next stream would begin. The token of a change is no place for it: the server
        # finds it only by the pipeline that told it. Its time is, and the token of a mere place.
        token = stream.resume_token
        place: Document = {"resume_after": token}
        try:
            while True:
                coming = asyncio.ensure_future(stream.try_next())
                switching = asyncio.ensure_future(self._switch.wait())
                await asyncio.wait({coming, switching}, return_when=asyncio.FIRST_COMPLETED)
                switching.cancel()
                if self._switch.is_set() and not coming.done():
                    # The next one begins where this one stood: what it is about to tell is told.
                    self._switch.clear()
                    self._retire(stream, coming)
                    stream, coming = self._open(place), None
                    continue
                change, before, token = coming.result(), token, stream.resume_token
                if change is None:
                    place = place if token == before else {"resume_after": token}
                else:
                    place = {"start_at_operation_time": change["clusterTime"]}
                    said = change.get("status")
                    yield Change(str(change["documentKey"]["_id"]), Status(said) if said else None)
        finally:
            self._retire(stream, coming)

    def _retire(self, stream: _Stream, coming: asyncio.Future[Document | None] | None) -> None:
        """Close a stream when the call that waits for the server in a thread has come back."""

        async def close() -> None:
            with contextlib.suppress(Exception):
                if coming is not None:
                    await coming
            with contextlib.suppress(Exception):
                await stream.close()

        task = asyncio.create_task(close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
