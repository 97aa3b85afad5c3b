"""The cookie of whoever entered a key on a page: a signed token, not the key."""

from __future__ import annotations

from aiohttp import web

from models.auth.api_key import Key
from service.app_keys import SETTINGS, TOKENS
from service.auth.authenticator import COOKIE
from service.http.csrf import is_https


def begin(request: web.Request, response: web.StreamResponse, key: Key) -> None:
    """Have the browser remember that it showed ``key``; no script can read it."""
    settings = request.app[SETTINGS]
    response.set_cookie(
        COOKIE,
        request.app[TOKENS].key_session(key.id, key.made),
        path="/",
        max_age=settings.key_session_seconds,
        httponly=True,
        samesite="Strict",
        secure=is_https(request, settings),
    )


def end(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
