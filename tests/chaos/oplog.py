"""Independent evidence: MongoDB's oplog, and the final content of its GridFS buckets."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Any

from bson import ObjectId, Timestamp
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]

BUCKETS = ("originals", "results", "intermediates")


class OplogReader:
    """Reads ``local.oplog.rs``, which MongoDB itself writes, and counts status changes of tasks."""

    def __init__(self, url: str, database: str = "darkroom", *, seconds: int = 2) -> None:
        """``seconds``: for which an answer is waited for before MongoDB counts as away."""
        self._client: MongoClient[Document] = MongoClient(
            url, serverSelectionTimeoutMS=1000 * seconds
        )
        self._database = self._client[database]
        self._position = Timestamp(0, 0)
        self.status_changes: dict[str, Counter[str]] = defaultdict(Counter)
        """For each task, how often it changed to each status."""

    def close(self) -> None:
        self._client.close()

    def read(self) -> bool:
        """Read the entries since the last read; False if MongoDB is away now.

        Only majority-committed entries count: a kill may roll back the others.
        """
        oplog = self._client["local"].get_collection(
            "oplog.rs", read_concern=ReadConcern("majority")
        )
        try:
            (oldest,) = oplog.find({}, {"ts": 1}).sort("$natural", 1).limit(1)
            (newest,) = oplog.find({}, {"ts": 1}).sort("$natural", -1).limit(1)
            if self._position.time and oldest["ts"] > self._position:
                raise AssertionError("the oplog was overwritten before it was read")
            found = list(
                oplog.find(
                    {
                        "ts": {"$gt": self._position, "$lte": newest["ts"]},
                        "ns": f"{self._database.name}.tasks",
                    }
                )
            )
        except PyMongoError:
            return False
        for entry in found:
            self._count(entry)
        self._position = newest["ts"]
        return True

    def _count(self, entry: Document) -> None:
        change = entry["o"]
        if entry["op"] == "i":
            self.status_changes[change["_id"]][change["status"]] += 1
        elif entry["op"] == "u":
            written = change.get("diff", {})
            values = {**written.get("u", {}), **written.get("i", {})} if written else change
            if "status" in values:
                self.status_changes[entry["o2"]["_id"]][values["status"]] += 1

    def tasks(self) -> dict[str, Document]:
        return {str(each["_id"]): each for each in self._database["tasks"].find()}

    def unreferenced(self) -> dict[str, int]:
        """Count files that no task lists, chunks that no file lists, and what tasks miss."""
        tasks = self.tasks().values()
        owned: dict[str, set[ObjectId]] = {
            "originals": {task["original_id"] for task in tasks},
            "results": {result["file_id"] for task in tasks for result in task["results"]},
        }
        found = {}
        for bucket in BUCKETS:
            files = set(self._database[f"{bucket}.files"].distinct("_id"))
            chunks = set(self._database[f"{bucket}.chunks"].distinct("files_id"))
            if bucket in owned:
                found[f"{bucket}: files of no task"] = len(files - owned[bucket])
                found[f"{bucket}: files that a task misses"] = len(owned[bucket] - files)
            found[f"{bucket}: chunks of no file"] = len(chunks - files)
            found[f"{bucket}: files without chunks"] = len(files - chunks)
        return {what: count for what, count in found.items() if count}

    def result_sets(self) -> Counter[str]:
        """Count for each task how many attempts have result files: 1 is correct."""
        ids: Document = {"_id": {"task": "$metadata.task_id", "token": "$metadata.token"}}
        found = self._database["results.files"].aggregate([{"$group": ids}])
        return Counter(each["_id"]["task"] for each in found)

    def wait_until_clean(self, seconds: float) -> dict[str, int]:
        """Wait for housekeeping; return what is still unreferenced after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.unreferenced()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left
