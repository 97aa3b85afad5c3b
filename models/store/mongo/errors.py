"""Turns the driver's errors into ours at the border of this room."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from models.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


def unavailable(error: PyMongoError) -> bool:
    """Tell whether ``error`` is trouble that passes: no server, no primary, no answer in time."""
    passing = (ConnectionFailure, ExecutionTimeout, WTimeoutError)
    return isinstance(error, passing) or error.has_error_label("RetryableWriteError")


def guarded(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Make ``function`` raise StoreUnavailable where MongoDB cannot be reached."""

    @functools.wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except PyMongoError as error:
            if not unavailable(error):
                raise
            raise StoreUnavailable(
                "the database does not answer; nothing was lost, try again shortly",
                store="mongodb",
            ) from error

    return wrapper
