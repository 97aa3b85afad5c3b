"""The second witness: MongoDB's own log of changes, and what lies in its buckets in the end."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Any

from bson import ObjectId, Timestamp
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from tests.chaos.faults import port
from tests.support.standalone_process import House

Document = dict[str, Any]

BUCKETS = ("originals", "results", "intermediates")


class Witness:
    """Reads ``local.oplog.rs``, which no code of ours writes, and counts what it says of tasks."""

    def __init__(self, house: House, database: str = "darkroom") -> None:
        self._client: MongoClient[Document] = MongoClient(
            port=port(house, "mongo"), directConnection=True, serverSelectionTimeoutMS=2000
        )
        self._database = self._client[database]
        self._mark = Timestamp(0, 0)
        self.changes: dict[str, Counter[str]] = defaultdict(Counter)
        """For each task how often it turned to which status."""

    def close(self) -> None:
        self._client.close()

    def look(self) -> bool:
        """Read what was written since the last look; False if MongoDB is away at the moment.

        Only what a majority has journaled counts: the rest may be undone by a kill.
        """
        oplog = self._client["local"].get_collection(
            "oplog.rs", read_concern=ReadConcern("majority")
        )
        try:
            (oldest,) = oplog.find({}, {"ts": 1}).sort("$natural", 1).limit(1)
            (newest,) = oplog.find({}, {"ts": 1}).sort("$natural", -1).limit(1)
            if self._mark.time and oldest["ts"] > self._mark:
                raise AssertionError("the log of changes was overwritten before it was read")
            found = list(
                oplog.find(
                    {
                        "ts": {"$gt": self._mark, "$lte": newest["ts"]},
                        "ns": f"{self._database.name}.tasks",
                    }
                )
            )
        except PyMongoError:
            return False
        for entry in found:
            self._note(entry)
        self._mark = newest["ts"]
        return True

    def _note(self, entry: Document) -> None:
        change = entry["o"]
        if entry["op"] == "i":
            self.changes[change["_id"]][change["status"]] += 1
        elif entry["op"] == "u":
            written = change.get("diff", {})
            values = {**written.get("u", {}), **written.get("i", {})} if written else change
            if "status" in values:
                self.changes[entry["o2"]["_id"]][values["status"]] += 1

    def tasks(self) -> dict[str, Document]:
        return {str(each["_id"]): each for each in self._database["tasks"].find()}

    def unowned(self) -> dict[str, int]:
        """Count what belongs to nothing: files no task lists, chunks no file lists."""
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

    def sets(self) -> Counter[str]:
        """Count for each task by how many attempts there are result files: one is right."""
        ids: Document = {"_id": {"task": "$metadata.task_id", "token": "$metadata.token"}}
        found = self._database["results.files"].aggregate([{"$group": ids}])
        return Counter(each["_id"]["task"] for each in found)

    def until_nothing_unowned(self, seconds: float) -> dict[str, int]:
        """Wait for the housekeeping; return what is still left after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.unowned()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left
