"""GET and POST /login, POST /logout: a person enters a key, and the pages work with it."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import Forbidden, RateLimited, Unauthorized
from service.app_keys import SETTINGS
from service.auth import session
from service.auth.authenticator import DOORKEEPER
from service.auth.rate_limit import TOLL
from service.http.csrf import own
from service.openapi.endpoint import unlisted
from service.pages.render import login_page, see_other, wants_page
from service.uploads.small_form import read_fields

log = structlog.get_logger()


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /login: the form; where no keys are asked for there is nothing to log in to."""
    if not request.app[SETTINGS].keys_on:
        return see_other("/")
    return login_page("key.html", "/")


@unlisted("the form of a page")
async def login(request: web.Request) -> web.StreamResponse:
    """POST /login: a good key gets a session.

    Raises:
        Unauthorized: a bad one. RateLimited: too many were. Forbidden: another site's form.
    """
    try:
        if not request.app[SETTINGS].keys_on:
            raise Forbidden("no keys are asked for (API_KEYS): there is nothing to log in to")
        own(request, request.app[SETTINGS], must=False)
        fields = await read_fields(request, "key")
        key = await request.app[DOORKEEPER].opened(request, fields.get("key", "").strip())
        if key is None:
            await request.app[TOLL].failed(request)
            raise Unauthorized("this key is not good: mistyped, revoked or expired")
    except (Unauthorized, RateLimited, Forbidden) as error:
        if not wants_page(request):
            raise
        log.info("refused", **error.document())
        return login_page("key.html", "/", error)
    log.info("logged_in", key=key.id)
    response = see_other("/")
    session.begin(request, response, key)
    return response


@unlisted("the button of a page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /logout: the browser forgets its session."""
    own(request, request.app[SETTINGS], must=False)
    response = see_other("/login")
    session.end(response)
    return response
