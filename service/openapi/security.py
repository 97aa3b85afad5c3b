"""Security requirements of each route, from the permission table."""

from __future__ import annotations

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
from service.auth.permissions import Permission, route_permission
from service.auth.session import SESSION_COOKIE

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


def security_requirements(
    method: str, path: str, settings: Settings
) -> list[dict[str, list[str]]] | None:
    """Return the alternatives that authorize a call; None: the route is open."""
    needed = route_permission(method, path)
    if needed is Permission.DASHBOARD:
        needed = Permission.ADMIN
    if needed in _FREE or not settings.api_keys_enabled:
        return None
    # Since OpenAPI 3.1 any scheme may list the scopes it needs.
    scope: list[str] = []
    if needed is not Permission.ANY_KEY:
        scope = [str(Permission.READ if needed is Permission.READ_OR_LINK else needed)]
    found: list[dict[str, list[str]]] = [{name: scope} for name in ("key", "key_header", "session")]
    if needed is Permission.READ_OR_LINK:
        found.append({"signed_link": []})
    return [*found, {}] if settings.allow_anonymous and needed is not Permission.ADMIN else found


def auth_errors(method: str, path: str, settings: Settings) -> tuple[type[AppError], ...]:
    """Return the errors of the authentication middleware, which the endpoint does not declare."""
    needed = route_permission(method, path)
    if needed is Permission.PUBLIC_UNCOUNTED:
        return ()
    found: list[type[AppError]] = []
    if settings.api_keys_enabled and needed is not Permission.PUBLIC:
        found += [BadRequest, Unauthorized, Forbidden, RateLimited, StoreUnavailable]
    elif needed is Permission.DASHBOARD:
        found.append(Forbidden)
    if settings.rate_limits_enabled:
        found += [RateLimited, StoreUnavailable]
    return tuple(found)
