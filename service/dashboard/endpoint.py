"""Declare a dashboard endpoint: @endpoint with what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from models.errors import AppError
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS

Handler = TypeVar("Handler", bound=Callable[..., Any])


def dashboard_endpoint(
    summary: str,
    body: Any,
    *,
    status: int = 200,
    errors: tuple[type[AppError], ...] = (),
    **more: Any,
) -> Callable[[Handler], Handler]:
    """Declare a handler of the dashboard; see ``service.openapi.endpoint.endpoint``."""
    headers = ("ETag",) if status == 200 and "description" not in more else ()
    return endpoint(
        "Dashboard",
        summary,
        responses={status: ResponseSpec(f"{summary}.", body, headers=headers)},
        errors=(*errors, *STORE_ERRORS),
        html_errors=True,
        **more,
    )
