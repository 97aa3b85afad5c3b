"""How the dashboard's handlers declare themselves: what all of them share is said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import STORED

H = TypeVar("H", bound=Callable[..., Any])

_RIGHTS = (Unauthorized, Forbidden, RateLimited)


def operator(
    summary: str,
    body: Any,
    *,
    status: int = 200,
    errors: tuple[type[AppError], ...] = (),
    **more: Any,
) -> Callable[[H], H]:
    """Declare a handler that asks the gate first; see ``service.openapi.endpoint.call``."""
    headers = ("ETag",) if status == 200 and "description" not in more else ()
    return call(
        "Dashboard",
        summary,
        answers={status: Answer(f"{summary}.", body, headers=headers)},
        errors=(*_RIGHTS, *errors, *STORED),
        pages=True,
        **more,
    )
