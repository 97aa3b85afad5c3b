"""GET and POST /login, POST /logout: a person enters a key, and the pages work with it."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service import session
from service.doorkeeper import DOORKEEPER
from service.errors import answer
from service.fields import read_fields
from service.keys import SETTINGS
from service.openapi.call import unlisted
from service.origin import own
from service.page import live_page, wants_page
from service.toll import TOLL

log = structlog.get_logger()


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /login: the form; where no keys are asked for there is nothing to log in to."""
    if not request.app[SETTINGS].keys_on:
        return _to("/")
    return _form()


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
        return _form(error)
    log.info("logged_in", key=key.id)
    response = _to("/")
    session.begin(request, response, key)
    return response


@unlisted("the button of a page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /logout: the browser forgets its session."""
    own(request, request.app[SETTINGS], must=False)
    response = _to("/login")
    session.end(response)
    return response


def _form(error: AppError | None = None) -> web.Response:
    refusal = answer(error) if error else None
    page = live_page(
        "key.html",
        "/",
        status=refusal.status if refusal else 200,
        problem=error.detail if error else "",
    )
    page.headers["Referrer-Policy"] = "same-origin"  # else browsers say Origin: null
    for name in ("Retry-After", "WWW-Authenticate"):
        if refusal is not None and name in refusal.headers:
            page.headers[name] = refusal.headers[name]
    return page


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
