"""Consistency check of ledger, result names and files, safe while programs run, in bounded memory.

A file or name younger than six DELETE_GRACE_SECONDS whose owner is missing is skipped: its owner
may be about to be written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import ValidationError

from models.settings import Settings
from models.store.files.gridfs import FileBucket
from models.store.files.originals import Originals, sha256_in_key, used_by
from models.store.files.repair import Repair
from models.store.files.result_names import name_id
from models.store.files.retention import orphan_age
from models.store.mongo.repository import Document, Repository
from models.store.tasks.transitions import lists_file, owning_task
from models.tasks.task import OPEN, Status, Task

_PAGE_DOCUMENTS = 100
_MISSING: Document = {"$exists": False}


@dataclass(frozen=True)
class Finding:
    """One inconsistency; ``what`` is one line of ASCII, ``repair`` returns whether it did it."""

    code: str
    what: str
    repair: Callable[[], Awaitable[bool]]


async def _no_repair() -> bool:
    return False


class ConsistencyCheck(Repository):
    """One scan of the whole store; ``counts`` has the numbers of documents checked."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[Document],
        settings: Settings,
        *,
        fast: bool = False,
    ) -> None:
        """``fast``: chunks are counted, not read and hashed."""
        super().__init__(database, settings)
        self._files = Originals(database, settings)
        self._buckets = {
            name: FileBucket(database, settings, name) for name in ("results", "intermediates")
        }
        self._repair = Repair(database, settings)
        self._fast = fast
        self._min_age = orphan_age(settings)
        self._recent_since = datetime.max.replace(tzinfo=UTC)  # until ``findings`` begins
        self.counts: Counter[str] = Counter()

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield inconsistencies one by one.

        Originals come first: tasks that need a damaged one are checked after its repair.

        Raises:
            StoreUnavailable: the scan is incomplete.
        """
        self._recent_since = await self._server_now() - self._min_age
        checks = (
            self._check_originals,
            self._check_tasks,
            self._check_results,
            self._check_intermediates,
            self._check_names,
        )
        for check in checks:
            async for finding in check():
                yield finding
        for bucket in ("originals", "results", "intermediates"):
            async for finding in self._check_chunks(bucket):
                yield finding

    async def _check_originals(self) -> AsyncIterator[Finding]:
        files, not_marked = self._files, {"metadata.doomed": _MISSING}
        async for entry in self._walk("originals.files", not_marked):
            file_id, metadata = entry["_id"], entry.get("metadata") or {}
            sha256 = None if self._fast else sha256_in_key(str(metadata.get("key")))
            damage = await files.find_damage(file_id, None, sha256)
            if not await self._exists("originals.files", {"_id": file_id, **not_marked}):
                continue  # it expired since the page was read
            if damage:
                mark_damaged = partial(files.mark_damaged, file_id)
                yield Finding("original_damaged", f"file {file_id}: {damage}", mark_damaged)
                continue
            if self._is_recent(metadata.get("used_at") or file_id.generation_time):
                continue
            if not await self._exists("tasks", used_by(file_id)):
                mark_for_deletion = partial(
                    files.mark_for_deletion, file_id, {"metadata.used_at": metadata.get("used_at")}
                )
                yield Finding(
                    "original_unowned", f"file {file_id}: no task uses it", mark_for_deletion
                )

    async def _check_tasks(self) -> AsyncIterator[Finding]:
        async for document in self._walk("tasks", {}):
            try:
                task = Task.model_validate(document)
            except ValidationError as error:
                what = f"task {json.dumps(str(document['_id']))}: {error.error_count()} fields"
                yield Finding("task_unreadable", what, _no_repair)
                continue
            if task.status is Status.SUCCESS:
                async for finding in self._results_of(task):
                    yield finding
            elif task.status in OPEN:
                for file_id in filter(None, (task.original_id, task.watermark_id)):
                    stored = {"_id": file_id, "metadata.doomed": _MISSING}
                    unchanged = {"_id": task.id, "status": task.status, **used_by(file_id)}
                    if not await self._exists("originals.files", stored) and await self._exists(
                        "tasks", unchanged
                    ):
                        restore = partial(self._repair.restore_original, task.id, file_id)
                        yield Finding("original_missing", f"task {task.id} needs it", restore)
            async for finding in self._names_of(task):
                yield finding

    async def _results_of(self, task: Task) -> AsyncIterator[Finding]:
        for part, result in enumerate(task.results):
            if result.gone is not None:
                continue
            self.counts["bytes"] += 0 if self._fast else result.bytes
            sha256 = None if self._fast else result.sha256
            damage = await self._buckets["results"].find_damage(
                result.file_id, result.bytes, sha256
            )
            # It may have expired or been deleted since the page was read.
            listed = {"results": lists_file(result.file_id)}
            if damage and await self._exists("tasks", {"_id": task.id, **listed}):
                recompute = partial(self._repair.recompute, task.id, result.file_id)
                what = f"task {task.id}, result {part}: {damage}"
                yield Finding("result_damaged", what, recompute)
                return  # the whole task is recomputed

    async def _names_of(self, task: Task) -> AsyncIterator[Finding]:
        parts = {
            name_id(name, task.owner): part
            for upload in task.uploads
            for part, name in enumerate(upload.results)
        }
        entries = self._database["names"].find({"_id": {"$in": list(parts)}, "task_id": task.id})
        known = {entry["_id"] async for entry in entries}
        for name, part in parts.items():
            if name not in known:
                now = await self._server_now()
                add = partial(self._repair.add_name, name, task.id, part, now)
                what = f"task {task.id} lacks its name {json.dumps(name)}"
                yield Finding("name_missing", what, add)

    async def _check_results(self) -> AsyncIterator[Finding]:
        async for entry in self._walk("results.files", {}):
            file_id, metadata = entry["_id"], entry.get("metadata") or {}
            if self._is_recent(file_id.generation_time):
                continue
            owned = await self._exists("tasks", owning_task(str(metadata.get("task_id")), file_id))
            if not owned and await self._exists("results.files", {"_id": file_id}):
                delete = partial(self._buckets["results"].delete, file_id)
                yield Finding("result_unowned", f"file {file_id}: no task lists it", delete)

    async def _check_intermediates(self) -> AsyncIterator[Finding]:
        files = self._buckets["intermediates"]
        async for entry in self._walk("intermediates.files", {}):
            file_id = entry["_id"]
            damage = await files.find_damage(file_id)
            if damage and await self._exists("intermediates.files", {"_id": file_id}):
                delete = partial(files.delete, file_id)
                yield Finding("intermediate_damaged", f"file {file_id}: {damage}", delete)

    async def _check_names(self) -> AsyncIterator[Finding]:
        async for entry in self._walk("names", {}):
            name, task_id, at = entry["_id"], str(entry["task_id"]), entry.get("at")
            if at is not None and self._is_recent(at):
                continue
            if not await self._exists("tasks", {"_id": task_id}):
                drop = partial(self._repair.drop_name, name, task_id, at)
                what = f"{json.dumps(name)}: task {json.dumps(task_id)} does not exist"
                yield Finding("name_dangling", what, drop)

    async def _check_chunks(self, bucket: str) -> AsyncIterator[Finding]:
        """Yield chunk sets without a files entry, stepping from set to set by their index."""
        last: Document = {}
        chunks = self._database[f"{bucket}.chunks"]
        key: Document = {"_id": 0, "files_id": 1}  # a covering index: no chunk's bytes are read
        while entry := await chunks.find_one(
            {"files_id": {"$type": "objectId"}} | last, key, sort=[("files_id", 1)]
        ):
            file_id = entry["files_id"]
            last = {"files_id": {"$gt": file_id}}
            self.counts[f"{bucket}.chunks"] += 1
            if self._is_recent(file_id.generation_time):
                continue
            owned = await self._exists(f"{bucket}.files", {"_id": file_id})
            if not owned and await self._exists(f"{bucket}.chunks", entry):  # not just deleted
                drop = partial(self._repair.drop_chunks, bucket, file_id)
                what = f"{bucket}, file {file_id}: chunks without a files entry"
                yield Finding("chunks_unowned", what, drop)

    async def _walk(self, collection: str, query: Document) -> AsyncIterator[Document]:
        """Yield documents by id, a page at a time: no cursor stays open during work on its page."""
        last: Document = {}
        documents = self._database[collection]
        while (
            page := await documents.find({**query, **last}).sort("_id", 1).to_list(_PAGE_DOCUMENTS)
        ):
            for document in page:
                self.counts[collection] += 1
                yield document
            last = {"_id": {"$gt": page[-1]["_id"]}}

    async def _exists(self, collection: str, query: Document) -> bool:
        return await self._database[collection].find_one(query, {"_id": 1}) is not None

    def _is_recent(self, moment: datetime) -> bool:
        return moment > self._recent_since
