"""Whether the ledger, the names and the bytes agree: walked while programs work, in bounded memory.

What is younger than ORPHAN_SECONDS may be on its way and is passed over where its owner is missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase
from pydantic import ValidationError

from models.store.files.gridfs import Files
from models.store.files.originals import Originals, hash_in
from models.store.files.repair import Repair
from models.store.files.result_names import key
from models.store.mongo.errors import guarded
from models.store.tasks.release import listing, owner
from models.tasks.task import OPEN, Status, Task

Document = dict[str, Any]

_PAGE = 100
_MISSING: Document = {"$exists": False}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``what``: one line of ASCII; ``repair`` tells whether it did it."""

    code: str
    what: str
    repair: Callable[[], Awaitable[bool]]


async def _nothing() -> bool:
    return False


class Check:
    """One walk over the whole store; ``counts`` says what was looked at."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[Document],
        originals: Originals,
        results: Files,
        intermediates: Files,
        repair: Repair,
        orphan_seconds: float,
        *,
        fast: bool = False,
    ) -> None:
        """``fast``: chunks are counted, not read and hashed."""
        self._database = database
        self._files = originals
        self._buckets = {"results": results, "intermediates": intermediates}
        self._repair = repair
        self._fast = fast
        self._young = datetime.now(UTC) - timedelta(seconds=orphan_seconds)
        self.counts: Counter[str] = Counter()

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is wrong, one thing at a time.

        Originals come first: a task that needs a bad one is found after that was repaired.

        Raises:
            StoreUnavailable: the walk was broken off.
        """
        walks = (self._originals, self._tasks, self._results, self._intermediates, self._names)
        for walk in walks:
            async for finding in walk():
                yield finding
        for bucket in ("originals", "results", "intermediates"):
            async for finding in self._chunks(bucket):
                yield finding

    async def _originals(self) -> AsyncIterator[Finding]:
        files, alive = self._files, {"metadata.doomed": _MISSING}
        async for entry in self._walk("originals.files", alive):
            file_id, metadata = entry["_id"], entry.get("metadata") or {}
            sha256 = None if self._fast else hash_in(str(metadata.get("key")))
            flaw = await files.flaw(file_id, None, sha256)
            if not await self._one("originals.files", {"_id": file_id, **alive}):
                continue  # its time came since the page was read
            if flaw:
                condemn = partial(self._condemn, file_id)
                yield Finding("original_damaged", f"file {file_id}: {flaw}", condemn)
                continue
            if self._is_young(metadata.get("used_at") or file_id.generation_time):
                continue
            if not await self._one("tasks", {"original_id": file_id}):
                doom = partial(files.doom, file_id, {"metadata.used_at": metadata.get("used_at")})
                yield Finding("original_unowned", f"file {file_id}: no task has it", doom)

    async def _condemn(self, file_id: ObjectId) -> bool:
        await self._files.condemn(file_id)
        return True

    async def _tasks(self) -> AsyncIterator[Finding]:
        async for document in self._walk("tasks", {}):
            try:
                task = Task.model_validate(document)
            except ValidationError as error:
                what = f"task {json.dumps(str(document['_id']))}: {error.error_count()} fields"
                yield Finding("task_unreadable", what, _nothing)
                continue
            if task.status is Status.SUCCESS:
                async for finding in self._results_of(task):
                    yield finding
            elif task.status in OPEN:
                there = {"_id": task.original_id, "metadata.doomed": _MISSING}
                same = {"_id": task.id, "status": task.status, "original_id": task.original_id}
                if not await self._one("originals.files", there) and await self._one("tasks", same):
                    mend = partial(self._repair.find_original, task.id, task.original_id)
                    yield Finding("original_missing", f"task {task.id} needs it", mend)
            async for finding in self._names_of(task):
                yield finding

    async def _results_of(self, task: Task) -> AsyncIterator[Finding]:
        for part, result in enumerate(task.results):
            if result.gone is not None:
                continue
            self.counts["bytes"] += 0 if self._fast else result.bytes
            sha256 = None if self._fast else result.sha256
            flaw = await self._buckets["results"].flaw(result.file_id, result.bytes, sha256)
            # Its time may have come, or it was deleted, since the page was read.
            listed = {"results": listing(result.file_id)}
            if flaw and await self._one("tasks", {"_id": task.id, **listed}):
                again = partial(self._repair.compute_again, task.id, result.file_id)
                yield Finding("result_damaged", f"task {task.id}, result {part}: {flaw}", again)
                return  # the task is computed again as a whole

    async def _names_of(self, task: Task) -> AsyncIterator[Finding]:
        parts = {
            key(name, task.owner): part for u in task.uploads for part, name in enumerate(u.results)
        }
        entries = self._database["names"].find({"_id": {"$in": list(parts)}, "task_id": task.id})
        known = {entry["_id"] for entry in await self._listed(entries)}
        for name, part in parts.items():
            if name not in known:
                add = partial(self._repair.add_name, name, task.id, part, datetime.now(UTC))
                what = f"task {task.id} has not its name {json.dumps(name)}"
                yield Finding("name_missing", what, add)

    async def _results(self) -> AsyncIterator[Finding]:
        async for entry in self._walk("results.files", {}):
            file_id, metadata = entry["_id"], entry.get("metadata") or {}
            if self._is_young(file_id.generation_time):
                continue
            owned = await self._one("tasks", owner(str(metadata.get("task_id")), file_id))
            if not owned and await self._one("results.files", {"_id": file_id}):
                delete = partial(self._delete, "results", file_id)
                yield Finding("result_unowned", f"file {file_id}: no task lists it", delete)

    async def _intermediates(self) -> AsyncIterator[Finding]:
        files = self._buckets["intermediates"]
        async for entry in self._walk("intermediates.files", {}):
            file_id = entry["_id"]
            flaw = await files.flaw(file_id)
            if flaw and await self._one("intermediates.files", {"_id": file_id}):
                delete = partial(self._delete, "intermediates", file_id)
                yield Finding("intermediate_damaged", f"file {file_id}: {flaw}", delete)

    async def _delete(self, bucket: str, file_id: ObjectId) -> bool:
        await self._buckets[bucket].delete(file_id)
        return True

    async def _names(self) -> AsyncIterator[Finding]:
        async for entry in self._walk("names", {}):
            name, task_id, at = entry["_id"], str(entry["task_id"]), entry.get("at")
            if at is not None and self._is_young(at):
                continue
            if not await self._one("tasks", {"_id": task_id}):
                drop = partial(self._repair.drop_name, name, task_id, at)
                what = f"{json.dumps(name)}: there is no task {json.dumps(task_id)}"
                yield Finding("name_dangling", what, drop)

    async def _chunks(self, bucket: str) -> AsyncIterator[Finding]:
        """Yield sets of chunks without a files entry, from one set to the next by their index."""
        last: Document = {}
        while entry := await self._next_set(bucket, last):
            file_id = entry["files_id"]
            last = {"files_id": {"$gt": file_id}}
            self.counts[f"{bucket}.chunks"] += 1
            if self._is_young(file_id.generation_time):
                continue
            owned = await self._one(f"{bucket}.files", {"_id": file_id})
            if not owned and await self._one(f"{bucket}.chunks", entry):  # not just deleted
                drop = partial(self._repair.drop_chunks, bucket, file_id)
                what = f"{bucket}, file {file_id}: chunks without a files entry"
                yield Finding("chunks_unowned", what, drop)

    @guarded
    async def _next_set(self, bucket: str, after: Document) -> Document | None:
        # Covered by the index: no chunk's bytes are read.
        return await self._database[f"{bucket}.chunks"].find_one(
            {"files_id": {"$type": "objectId"}} | after,
            {"_id": 0, "files_id": 1},
            sort=[("files_id", 1)],
        )

    async def _walk(self, collection: str, query: Document) -> AsyncIterator[Document]:
        """Yield documents by id, a page at a time: no cursor outlives the work on its page."""
        last: Document = {}
        while page := await self._page(self._database[collection], {**query, **last}):
            for document in page:
                self.counts[collection] += 1
                yield document
            last = {"_id": {"$gt": page[-1]["_id"]}}

    @guarded
    async def _page(
        self, collection: AsyncIOMotorCollection[Document], query: Document
    ) -> list[Document]:
        return await self._listed(collection.find(query).sort("_id", 1).limit(_PAGE))

    @guarded
    async def _listed(self, cursor: Any) -> list[Document]:
        return [document async for document in cursor]

    @guarded
    async def _one(self, collection: str, query: Document) -> bool:
        return await self._database[collection].find_one(query, {"_id": 1}) is not None

    def _is_young(self, moment: datetime) -> bool:
        return moment > self._young
