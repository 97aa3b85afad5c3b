"""The base class of the store's parts: collections, server time, driver errors, inserts."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    PyMongoError,
    WriteConcernError,
)
from pymongo.topology_description import TopologyDescription

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store.mongo.availability import Availability, unavailable
from models.store.mongo.clock import ServerClock

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="Repository")
Document = dict[str, Any]

# No server, none in time, or no majority, also of a server that stops.
_TRANSIENT = (ConnectionFailure, ExecutionTimeout, WriteConcernError)
_TRANSIENT_LABELS = ("RetryableWriteError", "ResumableChangeStreamError")  # no primary, e.g.

_DUPLICATE_KEY_CODE = 11000  # MongoDB's error code DuplicateKey


class Repository:
    """Queries of one subject. Each of its methods and generators may raise StoreUnavailable.

    ``collection`` of a subclass names the collection ``_collection``.
    """

    def __init_subclass__(cls, collection: str = "tasks") -> None:
        super().__init_subclass__()
        cls._collection_name = collection
        for name, member in list(vars(cls).items()):
            if inspect.iscoroutinefunction(member):
                setattr(cls, name, _translated(member))
            elif inspect.isasyncgenfunction(member):
                setattr(cls, name, _translated_generator(member))

    _collection_name: str
    availability: Availability | None = None
    """Of the ``Store`` that this is a part of; None: it is used within a part, or alone."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._tasks = database["tasks"]
        self._collection = database[self._collection_name]
        # For a query that may take long: the server stops then, too.
        self._limit_ms = max(1, round(settings.stores.store_timeout * 1000))
        self.clock = ServerClock()  # a ``Store`` gives its parts one in common

    async def _catch_up(self) -> bool:
        """Let the next reads see all that was acknowledged, by whichever server; False: they do.

        Reads see what a majority has. But a primary that was cut off does not notice for some
        seconds that another one was elected, and that one may learn some milliseconds late what
        its predecessor acknowledged. A write that a majority acknowledges is made by the latest
        primary, and shows it all before. ``linearizable`` reads do the same, but wait for the next
        journaling, 100 ms on a quiet server. A replica set of one server needs neither.
        """
        if not _has_several_servers(self._database):
            return False
        await upsert(self._database["state"], {"_id": "barrier"}, {"$inc": {"count": 1}})
        return True

    async def _find_certain(self, query: Document) -> Document | None:
        """Return the document of ``query``; None only if none was acknowledged anywhere."""
        document = await self._collection.find_one(query)
        if document is None and await self._catch_up():
            document = await self._collection.find_one(query)
        return document

    async def _server_now(self) -> datetime:
        """Return the server's time, for queries where an expression would bypass the index."""
        moment: datetime = (await self._database.command("hello"))["localTime"]
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self.clock.set(moment)
        return moment

    async def _now(self) -> datetime:
        """Return the server's time without a question, unless the last one was a minute ago.

        While MongoDB does not answer, the time since the last answer is counted on.
        """
        if not self.clock.fresh:
            try:
                return await self._server_now()
            except PyMongoError:
                if not self.clock.known:
                    raise
        return self.clock.now()


def _has_several_servers(database: AsyncIOMotorDatabase[Document]) -> bool:
    topology: TopologyDescription = database.client.delegate.topology_description
    servers = topology.server_descriptions()
    return (
        topology.topology_type_name == "Sharded"
        or len(servers) > 1
        or any(len(server.all_hosts) > 1 for server in servers.values())
    )


def now_plus(seconds: float) -> Document:
    """Return the expression for the server time plus ``seconds`` (may be negative), in whole ms.

    All programs use MongoDB's clock, since their own may differ.
    """
    return {"$add": ["$$NOW", round(seconds * 1000)]}


@contextmanager
def raising_unavailable() -> Iterator[None]:
    """Raise StoreUnavailable when MongoDB cannot be reached, its primary is lost, or it is late."""
    try:
        yield
    except PyMongoError as error:
        if not _is_transient(error):
            raise
        raise unavailable() from error


def _is_transient(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        # Of a single write it is a WriteConcernError, or a ConnectionFailure.
        return bool((error.details or {}).get("writeConcernErrors"))
    return (
        isinstance(error, _TRANSIENT)
        or error.timeout
        or any(error.has_error_label(label) for label in _TRANSIENT_LABELS)
    )


def _translated(
    function: Callable[Concatenate[R, P], Awaitable[T]],
) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
    @functools.wraps(function)
    async def call(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.availability is None:
            with raising_unavailable():
                return await function(self, *args, **kwargs)
        async with self.availability.call():
            with raising_unavailable():
                return await function(self, *args, **kwargs)

    return call


def _translated_generator(
    function: Callable[Concatenate[R, P], AsyncGenerator[T]],
) -> Callable[Concatenate[R, P], AsyncGenerator[T]]:
    @functools.wraps(function)
    async def generate(self: R, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        availability = self.availability
        if availability is not None and availability.away:
            raise unavailable()
        try:
            with raising_unavailable():
                async with contextlib.aclosing(function(self, *args, **kwargs)) as items:
                    async for item in items:
                        yield item
        except StoreUnavailable:
            if availability is not None:
                availability.suspect()
            raise

    return generate


async def upsert(
    collection: AsyncIOMotorCollection[Document],
    query: Mapping[str, Any],
    change: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> Document:
    """Return the document of ``query`` after ``change``; ``query`` selects it by a unique field."""
    while True:
        try:
            return await collection.find_one_and_update(
                query, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            continue  # a concurrent insert won: now there is a document to update


async def insert_timed(
    collection: AsyncIOMotorCollection[Document], document: Document, times: Document
) -> Document | None:
    """Insert ``document`` with ``times`` and return it; None if a unique field exists already.

    ``times``: expressions of the server's time, ``created_at`` among them if its id may exist.
    """
    try:  # an update, since only updates can use the server's time; none found lacks created_at
        return await collection.find_one_and_update(
            {"_id": document["_id"], "created_at": None},
            [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, times]}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        # The server waited for a majority, but the driver's error does not tell whether it got one:
        # what is there already may still be rolled back.
        await _await_majority(collection)
        return None


async def _await_majority(collection: AsyncIOMotorCollection[Document]) -> None:
    """Return once a majority has all that the primary has now: a write that changes nothing."""
    await collection.update_one({"_id": None}, {"$unset": {"_": ""}})


async def insert_new(
    collection: AsyncIOMotorCollection[Document], documents: Sequence[Document]
) -> set[int]:
    """Insert the documents whose unique fields are new; return the indexes of the others."""
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = error.details or {}
        refused = details.get("writeErrors", [])
        if details.get("writeConcernErrors") or any(
            each["code"] != _DUPLICATE_KEY_CODE for each in refused
        ):
            raise
        return {int(each["index"]) for each in refused}
    return set()
