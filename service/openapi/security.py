"""Security requirements of each route, from the permission table."""

from __future__ import annotations

from models.auth.api_key import Scope
from models.errors import (
    AppError,
    BadRequest,
    Forbidden,
    RateLimited,
    StoreUnavailable,
    Unauthorized,
)
from models.settings import Settings
from service.auth.authenticator import API_KEY_HEADER
from service.auth.permissions import SCOPES, Permission
from service.auth.session import SESSION_COOKIE

_KEYS = ("key", "key_header", "session")
SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "key_header": {
        "type": "apiKey",
        "in": "header",
        "name": API_KEY_HEADER,
        "description": "An API key in a header of its own.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The session cookie set by POST /login.",
    },
    "signed_link": {
        "type": "apiKey",
        "in": "query",
        "name": "signature",
        "description": "The signature of a link made by POST .../link.",
    },
}
"""All schemes, whether these settings need them or not."""

_FREE = frozenset({Permission.PUBLIC_UNCOUNTED, Permission.PUBLIC})


def security_requirements(permission: Permission, settings: Settings) -> list[dict[str, list[str]]]:
    """Return the alternatives that authorize a call; none: the route is open."""
    if permission in _FREE or not settings.api_keys_enabled:
        return []
    scope = SCOPES.get(permission)
    # Since OpenAPI 3.1 any scheme may list the scopes it needs.
    scopes = [str(scope)] if scope else []
    found: list[dict[str, list[str]]] = [{name: scopes} for name in _KEYS]
    if permission is Permission.READ_OR_LINK:
        found.append({"signed_link": []})
    return [*found, {}] if settings.auth.allow_anonymous and scope is not Scope.ADMIN else found


def auth_errors(permission: Permission, settings: Settings) -> tuple[type[AppError], ...]:
    """Return the errors of the authentication middleware, which the endpoint does not declare."""
    if permission is Permission.PUBLIC_UNCOUNTED:
        return ()
    found: list[type[AppError]] = []
    if settings.api_keys_enabled and permission is not Permission.PUBLIC:
        found += [BadRequest, Unauthorized, Forbidden, RateLimited, StoreUnavailable]
    elif permission is Permission.DASHBOARD:
        found.append(Forbidden)
    if settings.rate_limits_enabled:
        found.append(RateLimited)
    return tuple(found)
