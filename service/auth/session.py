"""The session cookie of a browser in which a key was entered: a signed token, not the key."""

from __future__ import annotations

import re

from aiohttp import web

from models.auth.api_key import ApiKey
from models.auth.tokens import KEY_SESSION_SECONDS
from service.app_keys import SETTINGS, TOKENS
from service.http.csrf import is_https

SESSION_COOKIE = "darkroom_key"


def read_cookie(request: web.Request, name: str) -> str:
    """Return the value of one of our (never quoted) cookies; "" if it is missing.

    aiohttp's ``request.cookies`` parses every pair: tens of milliseconds for a header full of them.
    """
    pattern = rf"(?:^|;)[ \t]*{re.escape(name)}=([^; \t]*)"
    found = re.findall(pattern, request.headers.get("Cookie", ""))
    return found[-1] if found else ""


def set_session_cookie(request: web.Request, response: web.StreamResponse, key: ApiKey) -> None:
    """Set the session cookie for ``key``; HttpOnly, SameSite=Strict."""
    settings = request.app[SETTINGS]
    response.set_cookie(
        SESSION_COOKIE,
        request.app[TOKENS].make_key_session(key.id, key.generation),
        path="/",
        max_age=KEY_SESSION_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=is_https(request, settings.http),
    )


def clear_session_cookie(response: web.StreamResponse) -> None:
    response.del_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Strict")
