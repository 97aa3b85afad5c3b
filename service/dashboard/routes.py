"""The routes of the dashboard, and the objects it needs while the service runs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web
from yarl import URL

from models.errors import AppError, Unauthorized
from models.operations import OPERATIONS
from models.tasks.task import Status
from service.app_keys import QUEUE, SETTINGS, STORE
from service.auth.authenticator import SAFE_METHODS
from service.dashboard import actions, queries
from service.dashboard.auth import DASHBOARD_PATH, authorize
from service.dashboard.history_recorder import record_history
from service.dashboard.overview import OVERVIEW, Overview
from service.http.errors import error_response
from service.openapi.endpoint import unlisted
from service.pages.render import layout_page, redirect_after_form, standalone_page, wants_page

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes() -> list[web.RouteDef]:
    """Return the routes of the dashboard."""
    return [
        web.get(DASHBOARD_PATH, _authorized(page)),
        web.get(f"{DASHBOARD_PATH}/api/workers", _authorized(queries.workers)),
        web.post(f"{DASHBOARD_PATH}/api/workers/{{name}}/drain", _authorized(actions.drain)),
        web.post(
            f"{DASHBOARD_PATH}/api/workers/{{name}}/resume",
            _authorized(actions.resume),
        ),
        web.get(f"{DASHBOARD_PATH}/api/queue", _authorized(queries.queue)),
        web.get(f"{DASHBOARD_PATH}/api/history", _authorized(queries.history)),
        web.get(f"{DASHBOARD_PATH}/api/tasks", _authorized(queries.tasks)),
        web.get(f"{DASHBOARD_PATH}/api/tasks/{{id}}", _authorized(queries.task)),
        web.post(f"{DASHBOARD_PATH}/api/tasks/{{id}}/cancel", _authorized(actions.cancel)),
        web.post(f"{DASHBOARD_PATH}/api/tasks/{{id}}/retry", _authorized(actions.retry)),
        web.get(f"{DASHBOARD_PATH}/api/webhooks", _authorized(queries.webhooks)),
        web.post(
            f"{DASHBOARD_PATH}/api/webhooks/{{id}}/redeliver",
            _authorized(actions.redeliver),
        ),
    ]


async def dashboard_context(app: web.Application) -> AsyncIterator[None]:
    """Record the history while the service runs."""
    app[OVERVIEW] = Overview(app[STORE], app[QUEUE])
    recording = asyncio.create_task(record_history(app[SETTINGS], app[STORE]))
    yield
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)


@unlisted("an HTML page")
async def page(request: web.Request) -> web.StreamResponse:
    """GET /dashboard: the page, whose scripts call the API."""
    return layout_page(
        "dashboard.html",
        DASHBOARD_PATH,
        login_required=request.app[SETTINGS].api_keys_enabled,
        statuses=list(Status),
        operations=list(OPERATIONS),
    )


def _authorized(handler: Handler) -> Handler:
    """Return ``handler`` behind an authorization check; browsers get errors as HTML pages."""

    @functools.wraps(handler)  # keeps the endpoint declaration
    async def authorized(request: web.Request) -> web.StreamResponse:
        try:
            await authorize(request)
            response = await handler(request)
        except AppError as error:
            if not wants_page(request):
                raise
            log.info("refused", **error.document())
            if isinstance(error, Unauthorized) and request.path == DASHBOARD_PATH:
                return redirect_after_form(str(URL("/login").with_query(next=request.path_qs)))
            return _error_page(error)
        if request.method not in SAFE_METHODS:
            request.app[OVERVIEW].invalidate()
        return response

    return authorized


def _error_page(error: AppError) -> web.Response:
    response = error_response(error)
    error_page = standalone_page(
        "notice.html",
        status=response.status,
        title="This did not work",
        detail=f"{error.detail[0].upper()}{error.detail[1:]}.",
        button="",
        one_click=False,
    )
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            error_page.headers[name] = response.headers[name]
    return error_page
