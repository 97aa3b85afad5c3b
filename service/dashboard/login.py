"""In and out for people: a form, and a cookie that is no use elsewhere."""

from __future__ import annotations

import structlog
from aiohttp import web
from yarl import URL

from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service.app_keys import SETTINGS, TOKENS
from service.auth import session
from service.dashboard.auth import COOKIE, PATH, gate
from service.http.client_ip import pseudonym
from service.http.csrf import is_https, own
from service.openapi.endpoint import unlisted
from service.pages.render import login_page, see_other, wants_page
from service.uploads.small_form import read_fields

log = structlog.get_logger()

_LONGEST_QUERY = 1000  # characters of what is to be seen after the login


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/login?next=: the form; without ADMIN_TOKEN there is nothing to log in to."""
    if not gate(request).locked:
        return see_other(PATH)
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
    response = see_other(_seen(query))
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
    response = see_other(f"{PATH}/login")
    if request.app[SETTINGS].keys_on:
        session.end(response)
    response.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict")
    return response


def to_login(request: web.Request) -> web.Response:
    """Send a browser to the form, and from there back to what it asked for."""
    where = URL(f"{PATH}/login")
    query = request.query_string[:_LONGEST_QUERY]
    return see_other(str(where.with_query(next=query) if query else where))


def _seen(query: str) -> str:
    """Return the dashboard with that query: whatever it says, it leads nowhere else."""
    try:
        return str(URL(PATH).with_query(query[:_LONGEST_QUERY]))
    except (ValueError, TypeError):
        return PATH


def _form(query: str, error: AppError | None = None) -> web.Response:
    return login_page("login.html", PATH, error, next=query[:_LONGEST_QUERY])
