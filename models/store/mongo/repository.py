"""The base class of the store's parts: their collections, the server's time, and driver errors."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from models.errors import StoreUnavailable
from models.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
Document = dict[str, Any]

_TRANSIENT = (ConnectionFailure, ExecutionTimeout, WTimeoutError)  # no server, or none in time
_TRANSIENT_LABELS = ("RetryableWriteError", "ResumableChangeStreamError")  # no primary, e.g.


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

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._tasks = database["tasks"]
        self._collection = database[self._collection_name]
        # For a query that may take long: the server stops then, too.
        self._limit_ms = max(1, round(settings.store_timeout * 1000))

    async def _server_now(self) -> datetime:
        """Return the server's time, for queries where an expression would bypass the index."""
        moment: datetime = (await self._database.command("hello"))["localTime"]
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
        if not isinstance(error, _TRANSIENT) and not any(
            error.has_error_label(label) for label in _TRANSIENT_LABELS
        ):
            raise
        raise StoreUnavailable(
            "the database does not answer; nothing was lost, try again shortly",
            store="mongodb",
        ) from error


def _translated(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with raising_unavailable():
            return await function(*args, **kwargs)

    return call


def _translated_generator(
    function: Callable[P, AsyncGenerator[T]],
) -> Callable[P, AsyncGenerator[T]]:
    @functools.wraps(function)
    async def generate(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        with raising_unavailable():
            async with contextlib.aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    return generate
