"""MongoDB databases and Redis numbers for tests, emptied and given out again."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from unittest import mock

from pymongo import MongoClient
from redis import Redis

from models.settings import Settings
from models.store import Store

_REDIS_NUMBERS = 16


class Databases:
    """The databases of one mongod and one redis-server.

    Creating the collections and indexes of a database takes a quarter of a second of processor
    time, more than most tests; emptying them takes a tenth of that. A ``Store`` of this process
    does not create them again.
    """

    def __init__(self, mongo_url: str, redis_url: str) -> None:
        self.mongo_url = mongo_url
        self._redis_url = redis_url
        self._client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
        self._redis = [Redis.from_url(self._url(number)) for number in range(_REDIS_NUMBERS)]
        self._numbers = itertools.count()
        self._empty: deque[str] = deque()
        self._prepared: set[str] = set()
        create_indexes = Store._create_indexes

        async def create_missing_indexes(store: Store) -> None:
            settings = store._settings
            if (
                settings.stores.mongo_url != self.mongo_url
                or settings.stores.mongo_db not in self._prepared
            ):
                await create_indexes(store)

        self._patch = mock.patch.object(Store, "_create_indexes", create_missing_indexes)
        self._indexes = asyncio.run(self._count_prepared())

    def __enter__(self) -> Self:
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
        self._client.close()
        for client in self._redis:
            client.close()

    @contextmanager
    def lend(self) -> Iterator[tuple[str, str]]:
        """Give (name of an empty MongoDB database, URL of an empty Redis database)."""
        number = next(self._numbers)
        self._redis[number % _REDIS_NUMBERS].flushdb()
        # The one that was returned first: the longer ago, the less can still write to it.
        name = self._empty.popleft() if len(self._empty) > 3 else f"test{number}"
        self._close_change_streams(name)
        # The first sample of a service that was stopped meanwhile: motor's threads end their calls.
        self._client[name]["history"].delete_many({})
        yield name, self._url(number % _REDIS_NUMBERS)
        self._take_back(name)

    def _url(self, number: int) -> str:
        return self._redis_url.replace("/0", f"/{number}")

    def _close_change_streams(self, name: str) -> None:
        """Close those of services that have stopped.

        MongoDB keeps the cursor of a client that left while it waited for ten minutes, and tests
        count the cursors of their database.
        """
        found = self._client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        cursors = [each["cursor"]["cursorId"] for each in found if _is_cursor_of(each, name)]
        if cursors:
            self._client[name].command("killCursors", "tasks", cursors=cursors)

    def _take_back(self, name: str) -> None:
        database = self._client[name]
        collections = database.list_collection_names()
        if self._count_indexes(name) != self._indexes or "system.profile" in collections:
            self._client.drop_database(name)  # never opened, or a test changed more than documents
            self._prepared.discard(name)
            return
        for collection in collections:
            database[collection].delete_many({})
        self._prepared.add(name)
        self._empty.append(name)

    async def _count_prepared(self) -> int:
        name = f"test{next(self._numbers)}"
        store = await Store.open(Settings().replace(mongo_url=self.mongo_url, mongo_db=name))
        store.close()
        self._prepared.add(name)
        self._empty.append(name)
        return self._count_indexes(name)

    def _count_indexes(self, name: str) -> int:
        """Return the number of indexes, not counting the one that each collection has."""
        stats = self._client[name].command("dbStats")
        return int(stats["indexes"]) - int(stats["collections"])


def _is_cursor_of(operation: dict[str, Any], name: str) -> bool:
    return operation.get("ns") == f"{name}.tasks" and "cursor" in operation


async def break_change_streams(store: Store) -> None:
    """Close all change streams on the database, as a server that restarts does."""
    operations = store._client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
    streams = [
        op["cursor"]["cursorId"]
        async for op in operations
        if op.get("cursor", {}).get("tailable") and op["ns"].startswith(store._database.name + ".")
    ]
    assert streams
    await store._database.command("killCursors", "tasks", cursors=streams)
