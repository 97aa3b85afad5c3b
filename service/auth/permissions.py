"""Route permissions: one table; the service does not start with a route outside it.

The table applies while API_KEYS is on; the dashboard's own check always applies.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from aiohttp import web

from models.auth.api_key import Scope
from models.operations import OPERATIONS


class Permission(StrEnum):
    """What a route requires."""

    PUBLIC_UNCOUNTED = "public_uncounted"
    """Nothing; not rate limited."""
    PUBLIC = "public"
    """Nothing: pages, and signed links in e-mails."""
    ANY_KEY = "any_key"
    """Any key."""
    READ = "read"
    READ_OR_LINK = "read_or_link"
    """The scope ``read``, or a signed link."""
    SUBMIT = "submit"
    """The scope ``submit``: creates, changes or sends something."""
    ADMIN = "admin"
    """The scope ``admin``, even with ALLOW_ANONYMOUS."""
    DASHBOARD = "dashboard"
    """Checked by ``service.dashboard.auth``."""


SCOPES = {
    Permission.READ: Scope.READ,
    Permission.READ_OR_LINK: Scope.READ,
    Permission.SUBMIT: Scope.SUBMIT,
    Permission.ADMIN: Scope.ADMIN,
}
"""Scope that a key needs for a permission."""

PermissionTable = dict[tuple[str, str], Permission]

_SUBMIT_PATHS = [f"/{op}" for op in OPERATIONS] + ["/process", "/convert/", "/groups", "/subscribe"]

PERMISSIONS: PermissionTable = {
    ("GET", "/healthz"): Permission.PUBLIC_UNCOUNTED,
    ("GET", "/readyz"): Permission.PUBLIC_UNCOUNTED,
    ("GET", "/static/{name}"): Permission.PUBLIC_UNCOUNTED,
    ("GET", "/"): Permission.PUBLIC,
    ("GET", "/login"): Permission.PUBLIC,
    ("POST", "/login"): Permission.PUBLIC,
    ("POST", "/logout"): Permission.PUBLIC,
    ("GET", "/docs"): Permission.PUBLIC,
    ("GET", "/openapi.json"): Permission.PUBLIC,
    ("GET", "/subscribe/confirm"): Permission.PUBLIC,
    ("POST", "/subscribe/confirm"): Permission.PUBLIC,
    ("GET", "/unsubscribe"): Permission.PUBLIC,
    ("POST", "/unsubscribe"): Permission.PUBLIC,
    ("GET", "/operations"): Permission.ANY_KEY,
    ("GET", "/tasks/{id}"): Permission.READ,
    ("GET", "/tasks/{id}/events"): Permission.READ,
    ("GET", "/status/{id}"): Permission.READ,
    ("GET", "/status/{id}/events"): Permission.READ,
    ("GET", "/convert/{id}"): Permission.READ,
    ("POST", "/processed/{name}/link"): Permission.READ,
    ("POST", "/status/{id}/archive/link"): Permission.READ,
    ("GET", "/processed/{name}"): Permission.READ_OR_LINK,
    ("GET", "/status/{id}/archive"): Permission.READ_OR_LINK,
    **{("POST", path): Permission.SUBMIT for path in _SUBMIT_PATHS},
    ("DELETE", "/tasks/{id}"): Permission.SUBMIT,
    ("POST", "/tasks/{id}/retry"): Permission.SUBMIT,
    ("DELETE", "/processed/{name}"): Permission.SUBMIT,
    ("GET", "/send_images/{id}"): Permission.SUBMIT,  # sends an e-mail
    ("POST", "/send_images/{id}"): Permission.SUBMIT,
    ("POST", "/items/"): Permission.ADMIN,  # local files, which have no owner
    ("POST", "/items"): Permission.ADMIN,
    ("GET", "/metrics"): Permission.ADMIN,
}


def route_permission(method: str, path: str) -> Permission | None:
    """Return the permission that a route requires; None if the table lacks it."""
    if path == "/dashboard" or path.startswith("/dashboard/"):
        return Permission.DASHBOARD
    return PERMISSIONS.get(("GET" if method == "HEAD" else method, path))


def check_routes(routes: Iterable[web.AbstractRoute]) -> None:
    """Check at start that the table has every route.

    Raises:
        LookupError: a route is missing.
    """
    for route in routes:
        resource = route.resource
        if resource is not None and route_permission(route.method, resource.canonical) is None:
            raise LookupError(
                f"{route.method} {resource.canonical} lacks a permission in "
                "service/auth/permissions.py"
            )


def request_permission(request: web.Request) -> Permission | None:
    """Return the permission that the request's route requires; None if no route matches."""
    resource = request.match_info.route.resource
    if resource is None or request.match_info.http_exception is not None:
        return None
    found = route_permission(request.method, resource.canonical)
    if found is None:
        raise LookupError(f"{request.method} {resource.canonical} lacks a permission")
    return found
