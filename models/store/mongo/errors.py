"""Translate MongoDB driver errors to StoreUnavailable."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from models.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


_TRANSIENT = (ConnectionFailure, ExecutionTimeout, WTimeoutError)  # no server, or none in time
_TRANSIENT_LABELS = ("RetryableWriteError", "ResumableChangeStreamError")  # no primary, e.g.


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


def translate_errors(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Make ``function`` raise StoreUnavailable when MongoDB cannot be reached."""

    @functools.wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with raising_unavailable():
            return await function(*args, **kwargs)

    return wrapper
