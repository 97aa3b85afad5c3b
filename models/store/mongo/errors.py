"""Translate MongoDB driver errors to StoreUnavailable."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from models.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


def is_unavailable(error: PyMongoError) -> bool:
    """Return whether ``error`` is transient: no server, no primary, or no answer in time."""
    transient = (ConnectionFailure, ExecutionTimeout, WTimeoutError)
    return isinstance(error, transient) or error.has_error_label("RetryableWriteError")


def translate_errors(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Make ``function`` raise StoreUnavailable when MongoDB cannot be reached."""

    @functools.wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            raise StoreUnavailable(
                "the database does not answer; nothing was lost, try again shortly",
                store="mongodb",
            ) from error

    return wrapper
