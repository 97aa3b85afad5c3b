"""GET and POST /login, POST /logout: a browser session for an API key."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import Forbidden, RateLimited, Unauthorized
from service.app_keys import SETTINGS
from service.auth import session
from service.auth.authenticator import AUTHENTICATOR
from service.auth.rate_limit import RATE_LIMITER
from service.http.csrf import require_same_origin
from service.openapi.endpoint import unlisted
from service.pages.render import login_page, redirect_after_form, wants_page
from service.uploads.small_form import read_fields

log = structlog.get_logger()


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /login: the form; without API_KEYS a redirect to the upload page."""
    if not request.app[SETTINGS].api_keys_enabled:
        return redirect_after_form("/")
    return login_page("login.html", "/")


@unlisted("the form of a page")
async def login(request: web.Request) -> web.StreamResponse:
    """POST /login: start a session for a valid key.

    Raises:
        Unauthorized: an invalid key. RateLimited: too many of them. Forbidden: cross-site.
    """
    try:
        if not request.app[SETTINGS].api_keys_enabled:
            raise Forbidden("API keys are off (API_KEYS); no login is needed")
        require_same_origin(request, request.app[SETTINGS], require_headers=False)
        fields = await read_fields(request, "key")
        key = await request.app[AUTHENTICATOR].key_of_token(request, fields.get("key", "").strip())
        if key is None:
            await request.app[RATE_LIMITER].count_failure(request)
            raise Unauthorized("invalid key: mistyped, revoked or expired")
    except (Unauthorized, RateLimited, Forbidden) as error:
        if not wants_page(request):
            raise
        log.info("login_failed", **error.document())
        return login_page("login.html", "/", error)
    log.info("logged_in", key=key.id)
    response = redirect_after_form("/")
    session.set_session_cookie(request, response, key)
    return response


@unlisted("the button of a page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /logout: delete the session cookie."""
    require_same_origin(request, request.app[SETTINGS], require_headers=False)
    response = redirect_after_form("/login")
    session.clear_session_cookie(response)
    return response
