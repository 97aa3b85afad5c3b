"""Log in to and out of the dashboard: a form, and a session cookie for /dashboard only."""

from __future__ import annotations

import structlog
from aiohttp import web
from yarl import URL

from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service.app_keys import SETTINGS, TOKENS
from service.auth import session
from service.auth.identity import ip_pseudonym
from service.dashboard.auth import DASHBOARD_PATH, SESSION_COOKIE, dashboard_auth
from service.http.csrf import is_https, require_same_origin
from service.openapi.endpoint import unlisted
from service.pages.render import login_page, redirect_after_form, wants_page
from service.uploads.small_form import read_fields

log = structlog.get_logger()

_MAX_QUERY_CHARACTERS = 1000  # query of the page to show after the login


@unlisted("an HTML page")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/login?next=: the form; without ADMIN_TOKEN, redirect to the dashboard."""
    if not dashboard_auth(request).login_required:
        return redirect_after_form(DASHBOARD_PATH)
    return _login_form(request.query.get("next", ""))


@unlisted("the login form of an HTML page")
async def login(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/login: start a session.

    Raises:
        Unauthorized: the token is wrong. RateLimited: too many were. Forbidden: a cross-site form.
    """
    query = ""
    try:
        if not dashboard_auth(request).login_required:
            raise Forbidden(
                "ADMIN_TOKEN is not set, so there is no login; open /dashboard on its own machine"
            )
        require_same_origin(request, request.app[SETTINGS], require_headers=False)
        fields = await read_fields(request, "token", "next")
        query = fields.get("next", "").encode(errors="replace").decode()  # a lone surrogate
        await dashboard_auth(request).reject_blocked_client(request)
        key = await dashboard_auth(request).verify_token(request, fields.get("token", "").strip())
    except (Unauthorized, RateLimited, Forbidden) as error:
        if not wants_page(request):
            raise
        log.info("refused", **error.document())
        return _login_form(query, error)
    settings = request.app[SETTINGS]
    log.info("logged_in", client=ip_pseudonym(request))
    response = redirect_after_form(_dashboard_url(query))
    if key is not None:
        session.set_session_cookie(request, response, key)
        return response
    response.set_cookie(
        SESSION_COOKIE,
        request.app[TOKENS].make_session(),
        path=DASHBOARD_PATH,
        max_age=settings.admin_session_seconds,
        httponly=True,
        samesite="Strict",
        secure=is_https(request, settings),
    )
    return response


@unlisted("the logout button of an HTML page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/logout: delete the session cookie."""
    require_same_origin(request, request.app[SETTINGS], require_headers=False)
    response = redirect_after_form(f"{DASHBOARD_PATH}/login")
    if request.app[SETTINGS].api_keys_enabled:
        session.clear_session_cookie(response)
    response.del_cookie(SESSION_COOKIE, path=DASHBOARD_PATH, httponly=True, samesite="Strict")
    return response


def redirect_to_login(request: web.Request) -> web.Response:
    """Redirect a browser to the login form, and after it back to the page it wanted."""
    login_url = URL(f"{DASHBOARD_PATH}/login")
    query = request.query_string[:_MAX_QUERY_CHARACTERS]
    return redirect_after_form(str(login_url.with_query(next=query) if query else login_url))


def _dashboard_url(query: str) -> str:
    """Return the URL of the dashboard with ``query``; never of another site."""
    try:
        return str(URL(DASHBOARD_PATH).with_query(query[:_MAX_QUERY_CHARACTERS]))
    except (ValueError, TypeError):
        return DASHBOARD_PATH


def _login_form(query: str, error: AppError | None = None) -> web.Response:
    return login_page(
        "dashboard_login.html", DASHBOARD_PATH, error, next=query[:_MAX_QUERY_CHARACTERS]
    )
