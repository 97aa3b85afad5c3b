"""What each route asks of who calls it: one table, and what is not in it is not served.

It holds while keys are on (API_KEYS); the dashboard's own gate always does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from aiohttp import web

from models.auth.api_key import Scope
from models.operations import OPERATIONS


class Right(StrEnum):
    """What is asked for."""

    FREE = "free"
    """Nothing, and calls are not counted."""
    OPEN = "open"
    """Nothing: pages, and links in letters, which are signed."""
    KEY = "key"
    """Any key."""
    READ = "read"
    LINKED = "linked"
    """The scope ``read``, or a signed link."""
    SUBMIT = "submit"
    """Whatever makes, changes or sends something."""
    ADMIN = "admin"
    """That scope, also where ALLOW_ANONYMOUS lets in who shows no key."""
    GATE = "gate"
    """What ``service.dashboard.auth`` asks for."""


SCOPES = {
    Right.READ: Scope.READ,
    Right.LINKED: Scope.READ,
    Right.SUBMIT: Scope.SUBMIT,
    Right.ADMIN: Scope.ADMIN,
}
"""The scope that a key must have."""

Table = dict[tuple[str, str], Right]

_SUBMIT = [f"/{op}" for op in OPERATIONS] + ["/process", "/convert/", "/groups", "/subscribe"]

RIGHTS: Table = {
    ("GET", "/healthz"): Right.FREE,
    ("GET", "/readyz"): Right.FREE,
    ("GET", "/static/{name}"): Right.FREE,
    ("GET", "/"): Right.OPEN,
    ("GET", "/login"): Right.OPEN,
    ("POST", "/login"): Right.OPEN,
    ("POST", "/logout"): Right.OPEN,
    ("GET", "/docs"): Right.OPEN,
    ("GET", "/openapi.json"): Right.OPEN,
    ("GET", "/subscribe/confirm"): Right.OPEN,
    ("POST", "/subscribe/confirm"): Right.OPEN,
    ("GET", "/unsubscribe"): Right.OPEN,
    ("POST", "/unsubscribe"): Right.OPEN,
    ("GET", "/operations"): Right.KEY,
    ("GET", "/tasks/{id}"): Right.READ,
    ("GET", "/tasks/{id}/events"): Right.READ,
    ("GET", "/status/{id}"): Right.READ,
    ("GET", "/status/{id}/events"): Right.READ,
    ("GET", "/convert/{id}"): Right.READ,
    ("POST", "/processed/{name}/link"): Right.READ,
    ("POST", "/status/{id}/archive/link"): Right.READ,
    ("GET", "/processed/{name}"): Right.LINKED,
    ("GET", "/status/{id}/archive"): Right.LINKED,
    **{("POST", path): Right.SUBMIT for path in _SUBMIT},
    ("DELETE", "/tasks/{id}"): Right.SUBMIT,
    ("POST", "/tasks/{id}/retry"): Right.SUBMIT,
    ("DELETE", "/processed/{name}"): Right.SUBMIT,
    ("GET", "/send_images/{id}"): Right.SUBMIT,  # it sends a letter
    ("POST", "/send_images/{id}"): Right.SUBMIT,
    ("POST", "/items/"): Right.ADMIN,  # files of this machine, which have no owner
    ("POST", "/items"): Right.ADMIN,
    ("GET", "/metrics"): Right.ADMIN,
}


def right(method: str, path: str) -> Right | None:
    """Return what a route asks for; None: it is in no table."""
    if path == "/dashboard" or path.startswith("/dashboard/"):
        return Right.GATE
    return RIGHTS.get(("GET" if method == "HEAD" else method, path))


def check(routes: Iterable[web.AbstractRoute]) -> None:
    """Return if every route is in the table.

    Raises:
        LookupError: one is not.
    """
    for route in routes:
        resource = route.resource
        if resource is not None and right(route.method, resource.canonical) is None:
            raise LookupError(
                f"{route.method} {resource.canonical}: say in service/auth/permissions.py who may call it"
            )


def of(request: web.Request) -> Right | None:
    """Return what the route of a request asks for; None where there is no such route."""
    resource = request.match_info.route.resource
    if resource is None or request.match_info.http_exception is not None:
        return None
    found = right(request.method, resource.canonical)
    if found is None:
        raise LookupError(f"{request.method} {resource.canonical} is in no table of rights")
    return found
