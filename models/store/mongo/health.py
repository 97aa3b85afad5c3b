"""The state of MongoDB: its replica set, as each of its programs may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import OperationFailure

from models.store.mongo.repository import Repository

_HEALTHY_STATES = frozenset({"PRIMARY", "SECONDARY", "ARBITER"})


@dataclass(frozen=True)
class ReplicaSetMember:
    """A member; ``lag_seconds``: how far its last write is behind the primary's, if known."""

    name: str
    state: str
    lag_seconds: float | None

    @property
    def healthy(self) -> bool:
        return self.state in _HEALTHY_STATES


@dataclass(frozen=True)
class ReplicaSet:
    """``name`` is empty for a sharded cluster. ``members``: None if this user may not see them."""

    name: str
    primary: str | None
    members: list[ReplicaSetMember] | None


class MongoHealth(Repository):
    """Asks the server for its state."""

    async def now(self) -> datetime:
        """Return MongoDB's time, which all ages and expiries go by."""
        return await self._now()

    async def check_majority(self) -> None:
        """Raise StoreUnavailable unless a majority acknowledges writes; one server need not."""
        await self._catch_up()

    async def replica_set(self) -> ReplicaSet:
        hello = await self._database.command("hello", maxTimeMS=self._limit_ms)
        return ReplicaSet(
            str(hello.get("setName", "")), hello.get("primary"), await self._members()
        )

    async def _members(self) -> list[ReplicaSetMember] | None:
        """Return the members; None where the role ``clusterMonitor`` is needed and missing."""
        admin = self._database.client["admin"]
        try:
            status = await admin.command("replSetGetStatus", maxTimeMS=self._limit_ms)
        except OperationFailure as error:
            if error.timeout or error.has_error_label("RetryableWriteError"):
                raise
            return None
        members = status["members"]
        latest = [each.get("optimeDate") for each in members if each["stateStr"] == "PRIMARY"]
        return [
            ReplicaSetMember(
                each["name"],
                each["stateStr"],
                max(0.0, (latest[0] - each["optimeDate"]).total_seconds())
                if latest and latest[0] and each.get("optimeDate")
                else None,
            )
            for each in members
        ]
