"""GET and POST /login, POST /logout: a browser session for an API key."""

from __future__ import annotations

import structlog
from aiohttp import web
from yarl import URL

from models.auth.api_key import Scope
from models.errors import AppError, Forbidden, RateLimited, Unauthorized
from service.app_keys import SETTINGS
from service.auth import session
from service.auth.authenticator import AUTHENTICATOR
from service.auth.rate_limit import count_failure
from service.dashboard.page import DASHBOARD_PATH
from service.http.csrf import require_same_origin
from service.openapi.endpoint import unlisted
from service.pages.language import language_of
from service.pages.render import layout_page, redirect_after_form, wants_page, with_error
from service.uploads.small_form import read_fields

log = structlog.get_logger()

_UPLOAD_PAGE = "/"
_MAX_NEXT_CHARACTERS = 1000


@unlisted("a page for people")
async def form(request: web.Request) -> web.StreamResponse:
    """GET /login?next=: the form; without API_KEYS a redirect to the page ``next``."""
    next_page = _local_page(request.query.get("next", ""))
    if not request.app[SETTINGS].api_keys_enabled:
        return redirect_after_form(next_page)
    return _login_form(request, next_page)


@unlisted("the form of a page")
async def login(request: web.Request) -> web.StreamResponse:
    """POST /login: start a session for a valid key, and show the page ``next``.

    Raises:
        Unauthorized: an invalid key. RateLimited: too many of them. Forbidden: cross-site, or the
        dashboard is next and the key lacks the scope admin.
    """
    next_page = _UPLOAD_PAGE
    try:
        if not request.app[SETTINGS].api_keys_enabled:
            raise Forbidden("API keys are off (API_KEYS); no login is needed")
        require_same_origin(request, request.app[SETTINGS].http, require_headers=False)
        fields = await read_fields(request, "key", "next")
        next_page = _local_page(fields.get("next", ""))
        key = await request.app[AUTHENTICATOR].key_of_token(request, fields.get("key", "").strip())
        if key is None:
            await count_failure(request)
            raise Unauthorized("invalid key: mistyped, revoked or expired")
        if next_page.startswith(DASHBOARD_PATH) and not key.allows(Scope.ADMIN):
            raise Forbidden(
                f"this key lacks the scope admin; it has {', '.join(key.scopes)}",
                scope=str(Scope.ADMIN),
            )
    except (Unauthorized, RateLimited, Forbidden) as error:
        if not wants_page(request):
            raise
        log.info("login_failed", **error.document())
        return _login_form(request, next_page, error)
    log.info("logged_in", key=key.id)
    response = redirect_after_form(next_page)
    session.set_session_cookie(request, response, key)
    return response


@unlisted("the button of a page")
async def logout(request: web.Request) -> web.StreamResponse:
    """POST /logout: delete the session cookie."""
    require_same_origin(request, request.app[SETTINGS].http, require_headers=False)
    response = redirect_after_form("/login")
    session.clear_session_cookie(response)
    return response


def _local_page(wanted: str) -> str:
    """Return ``wanted`` if it is a page of this service, else the upload page.

    Only the path and query are kept, so that a login never leads to another site.
    """
    try:
        url = URL(wanted[:_MAX_NEXT_CHARACTERS].encode(errors="replace").decode())
        if url.absolute or url.path not in {_UPLOAD_PAGE, DASHBOARD_PATH}:
            return _UPLOAD_PAGE
        return str(URL.build(path=url.path, query=url.query))
    except ValueError:
        return _UPLOAD_PAGE


def _login_form(
    request: web.Request, next_page: str, error: AppError | None = None
) -> web.Response:
    path = DASHBOARD_PATH if next_page.startswith(DASHBOARD_PATH) else _UPLOAD_PAGE
    problem = language_of(request).error(error) if error else None
    page = layout_page(request, "login.html", path, problem=problem, next=next_page)
    return with_error(page, error) if error else page
