"""The door: who calls is found out, held against the table of rights, and counted."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from models.auth import signed_links
from models.errors import Forbidden, StoreUnavailable, Unauthorized
from service.app_keys import SETTINGS
from service.auth.authenticator import DOORKEEPER, SAFE
from service.auth.identity import ANYBODY, CALLER, Caller
from service.auth.permissions import SCOPES, Right, of
from service.auth.rate_limit import TOLL
from service.http.csrf import not_strangers

_UNASKED = frozenset({Right.FREE, Right.OPEN, Right.GATE})


@web.middleware
async def enter(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in, or refuse it.

    Raises:
        Unauthorized: it needs a key, or shows a bad one. Forbidden: the key lacks a scope, or
        nobody's key is shown and another site's page asks for a change.
        RateLimited: too many came.
    """
    right = of(request)
    if right is None:  # there is no such route, and the handler says so
        return await handler(request)
    toll, what = request.app[TOLL], _what(request, right)
    if right is not Right.FREE:  # before anything is asked: refusals cost something, too
        try:
            await toll.arrived(request, what)
        except StoreUnavailable:
            if right is not Right.GATE:  # the dashboard is looked at most when a store is away
                raise
    request[CALLER] = caller = await _caller(request, right)
    if caller.means == "nothing" and right is not Right.GATE and request.method not in SAFE:
        not_strangers(request, request.app[SETTINGS])
    await toll.count(request, caller, what)
    return await handler(request)


def _what(request: web.Request, right: Right) -> str:
    """Return as what a call counts."""
    works = right is Right.ADMIN and request.method not in SAFE
    return "submit" if works or right is Right.SUBMIT else "read"


async def _caller(request: web.Request, right: Right) -> Caller:
    settings = request.app[SETTINGS]
    if right is Right.LINKED and signed_links.SIGNATURE in request.query:
        return await request.app[DOORKEEPER].linked(request)
    if right in _UNASKED or not settings.keys_on:
        return ANYBODY
    caller = await request.app[DOORKEEPER].caller(request)
    if caller.key is None:
        if settings.allow_anonymous and right is not Right.ADMIN:
            return caller
        needed = "an admin's key" if right is Right.ADMIN else "a key"
        raise Unauthorized(
            f"{needed} is needed: send Authorization: Bearer <key>; people log in at /login"
        )
    scope = SCOPES.get(right)
    if scope is not None and not caller.key.allows(scope):
        raise Forbidden(
            f"this key lacks the scope {scope}; it has {', '.join(caller.key.scopes)}",
            scope=str(scope),
        )
    return caller
