"""In and out for people: a form, and a cookie that is no use elsewhere."""

from __future__ import annotations

import structlog
from aiohttp import web
from yarl import URL

from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service import session
from service.client import pseudonym
from service.dashboard.gate import COOKIE, PATH, gate
from service.errors import answer
from service.fields import read_fields
from service.keys import SETTINGS, TOKENS
from service.openapi.call import unlisted
from service.origin import is_https, own
from service.page import live_page, wants_page

log = structlog.get_logger()

_LONGEST_QUERY = 1000  # characters of what is to be seen after the login


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/login?next=: the form; without ADMIN_TOKEN there is nothing to log in to."""
    if not gate(request).locked:
        return _to(PATH)
    return _form(request.query.get("next", ""))


@unlisted("the form of a page")
async def login(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/login: the right token gets a session.

    Raises:
        Unauthorized: a wrong one. RateLimited: too many were. Forbidden: another site's form.
    """
    query = ""
    try:
        if not gate(request).locked:
            raise Forbidden("ADMIN_TOKEN is not set: there is nothing to log in to")
        own(request, request.app[SETTINGS], must=False)
        fields = await read_fields(request, "token", "next")
        query = fields.get("next", "").encode(errors="replace").decode()  # half a surrogate
        await gate(request).look(request)
        key = await gate(request).check(request, fields.get("token", "").strip())
    except (Unauthorized, RateLimited, Forbidden) as error:
        if not wants_page(request):
            raise
        log.info("refused", **error.document())
        return _form(query, error)
    settings = request.app[SETTINGS]
    log.info("logged_in", client=pseudonym(request))
    response = _to(_seen(query))
    if key is not None:
        session.begin(request, response, key)
        return response
    response.set_cookie(
        COOKIE,
        request.app[TOKENS].session(),
        path=PATH,
        max_age=settings.admin_session_seconds,
        httponly=True,
        samesite="Strict",
        secure=is_https(request, settings),
    )
    return response


@unlisted("the button of a page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/logout: the browser forgets its session."""
    own(request, request.app[SETTINGS], must=False)
    response = _to(f"{PATH}/login")
    if request.app[SETTINGS].keys_on:
        session.end(response)
    response.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict")
    return response


def to_login(request: web.Request) -> web.Response:
    """Send a browser to the form, and from there back to what it asked for."""
    where = URL(f"{PATH}/login")
    query = request.query_string[:_LONGEST_QUERY]
    return _to(str(where.with_query(next=query) if query else where))


def _seen(query: str) -> str:
    """Return the dashboard with that query: whatever it says, it leads nowhere else."""
    try:
        return str(URL(PATH).with_query(query[:_LONGEST_QUERY]))
    except (ValueError, TypeError):
        return PATH


def _form(query: str, error: AppError | None = None) -> web.Response:
    refusal = answer(error) if error else None
    page = live_page(
        "login.html",
        PATH,
        status=refusal.status if refusal else 200,
        next=query[:_LONGEST_QUERY],
        problem=error.detail if error else "",
    )
    page.headers["Referrer-Policy"] = "same-origin"  # else browsers say Origin: null
    for name in ("Retry-After", "WWW-Authenticate"):
        if refusal is not None and name in refusal.headers:
            page.headers[name] = refusal.headers[name]
    return page


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
