"""What a route requires. ``service.routes`` gives each route its permission.

The permissions apply while API_KEYS is on; DASHBOARD always does.
"""

from __future__ import annotations

from enum import StrEnum

from aiohttp import web

from models.auth.api_key import Scope


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
    """As ADMIN; without API keys a request from this machine."""


SCOPES = {
    Permission.READ: Scope.READ,
    Permission.READ_OR_LINK: Scope.READ,
    Permission.SUBMIT: Scope.SUBMIT,
    Permission.ADMIN: Scope.ADMIN,
    Permission.DASHBOARD: Scope.ADMIN,
}
"""Scope that a key needs for a permission."""

PERMISSIONS: web.AppKey[dict[web.AbstractRoute, Permission]] = web.AppKey("permissions", dict)


def request_permission(request: web.Request) -> Permission | None:
    """Return the permission that the request's route requires; None if no route matches.

    Raises:
        LookupError: the route has none: it is not in the table of ``service.routes``.
    """
    if request.match_info.http_exception is not None:
        return None
    return request.app[PERMISSIONS][request.match_info.route]
