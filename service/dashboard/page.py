"""GET /dashboard, and how browsers get the dashboard's errors: as pages, or the login form."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from models.errors import AppError, Unauthorized
from models.operations import OPERATIONS
from models.tasks.task import Status
from service.app_keys import SETTINGS
from service.auth.authenticator import SAFE_METHODS
from service.auth.permissions import Permission, request_permission
from service.dashboard.overview import OVERVIEW
from service.openapi.endpoint import unlisted
from service.pages.render import error_page, layout_page, redirect_after_form, wants_page

log = structlog.get_logger()

DASHBOARD_PATH = "/dashboard"


@unlisted("an HTML page")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /dashboard: the page, whose scripts call the API."""
    return layout_page(
        request,
        "dashboard.html",
        DASHBOARD_PATH,
        login_required=request.app[SETTINGS].api_keys_enabled,
        statuses=list(Status),
        operations=list(OPERATIONS),
        reshaping=" ".join(op for op, spec in OPERATIONS.items() if not spec.same_frame),
    )


@web.middleware
async def dashboard_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: show errors of the dashboard to browsers; after an action, read all again."""
    if request_permission(request) is not Permission.DASHBOARD:
        return await handler(request)
    try:
        response = await handler(request)
    except AppError as error:
        if not wants_page(request):
            raise
        log.info("refused", **error.document())
        if isinstance(error, Unauthorized) and request.path == DASHBOARD_PATH:
            return redirect_after_form(str(URL("/login").with_query(next=request.path_qs)))
        return error_page(request, "notice.failed", error)
    if request.method not in SAFE_METHODS:
        request.app[OVERVIEW].invalidate()
    return response
