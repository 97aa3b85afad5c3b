"""Auth middleware: rate limit, authenticate, authorize, CSRF check."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from models.auth import signed_links
from models.auth.api_key import Scope
from models.errors import Forbidden, Unauthorized
from service.app_keys import SETTINGS
from service.auth.authenticator import AUTHENTICATOR, SAFE_METHODS
from service.auth.identity import ANONYMOUS, IDENTITY, Identity
from service.auth.loopback import require_loopback
from service.auth.permissions import SCOPES, Permission, request_permission
from service.auth.rate_limit import count_request
from service.http.csrf import reject_cross_site, require_same_origin
from service.http.request_context import CLIENT_IP


@web.middleware
async def auth_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: count, authenticate and authorize the request, or refuse it.

    Raises:
        Unauthorized: a key is needed, or the key is invalid. Forbidden: the key lacks a scope, or
        an anonymous cross-site request would change something.
        RateLimited: too many requests.
    """
    permission = request_permission(request)
    if permission is None:  # no such route: the handler answers 404 or 405
        return await handler(request)
    limit = _rate_limit(request, permission)
    # Count before authentication: refused requests cost something, too.
    if permission is not Permission.PUBLIC_UNCOUNTED:
        await count_request(request, f"{limit}_ADDRESS", request[CLIENT_IP])
    request[IDENTITY] = client = await authenticate(request, permission)
    if permission is Permission.DASHBOARD:
        return await handler(request)
    if client.means == "anonymous" and request.method not in SAFE_METHODS:
        reject_cross_site(request, request.app[SETTINGS].http)
    if client.key is not None:
        await count_request(request, limit, client.key.id)
    return await handler(request)


def _rate_limit(request: web.Request, permission: Permission) -> str:
    """Return the setting with the rate limit of a key for this request."""
    works = permission is Permission.ADMIN and request.method not in SAFE_METHODS
    return f"RATE_LIMIT_{'SUBMIT' if works or permission is Permission.SUBMIT else 'READ'}"


async def authenticate(request: web.Request, permission: Permission) -> Identity:
    """Return the identity of the request if it has ``permission``.

    Raises:
        Unauthorized: a key is needed, or it is invalid. Forbidden: it lacks a scope, a page of
        another site sent the request, or the dashboard has no keys and another machine asks.
        RateLimited: too many invalid keys from this address.
    """
    settings = request.app[SETTINGS]
    if permission is Permission.READ_OR_LINK and signed_links.SIGNATURE in request.query:
        return await request.app[AUTHENTICATOR].identify_by_link(request)
    if permission in {Permission.PUBLIC_UNCOUNTED, Permission.PUBLIC}:
        return ANONYMOUS
    if not settings.api_keys_enabled:
        if permission is Permission.DASHBOARD:
            require_loopback(request, settings)
            if request.method not in SAFE_METHODS:
                require_same_origin(request, settings.http, require_headers=False)
        return ANONYMOUS
    client, scope = await request.app[AUTHENTICATOR].identify(request), SCOPES.get(permission)
    if client.key is None:
        if settings.auth.allow_anonymous and scope is not Scope.ADMIN:
            return client
        needed = "an admin API key" if scope is Scope.ADMIN else "an API key"
        raise Unauthorized(
            f"{needed} is required: send Authorization: Bearer <key>, or log in at /login"
        )
    if scope is not None and not client.key.allows(scope):
        raise Forbidden(
            f"this key lacks the scope {scope}; it has {', '.join(client.key.scopes)}",
            scope=str(scope),
        )
    return client
