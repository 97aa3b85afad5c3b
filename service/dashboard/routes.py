"""The dashboard's part of the route table, and what it needs while the service runs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web

from models.errors import AppError, Unauthorized
from models.operations import OPERATIONS
from models.tasks.task import Status
from service.app_keys import QUEUE, SETTINGS, STORE, TOKENS
from service.auth.authenticator import DOORKEEPER
from service.dashboard import actions, login, queries
from service.dashboard.auth import GATE, PATH, Gate, gate
from service.dashboard.history_recorder import record
from service.dashboard.overview import SCENES, Scenes
from service.http.errors import answer
from service.openapi.endpoint import unlisted
from service.pages.render import live_page, page, wants_page

log = structlog.get_logger()

_STATUSES = (
    (Status.CREATED, "waiting"),
    (Status.STARTED, "running"),
    (Status.SUCCESS, "done"),
    (Status.FAILURE, "failed"),
    (Status.CANCELLED, "cancelled"),
)
"""As the page calls them."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes() -> list[web.RouteDef]:
    """Return the dashboard's routes; every one but the login asks the gate first."""
    return [
        web.get(PATH, _guarded(show)),
        web.get(f"{PATH}/login", login.form),
        web.post(f"{PATH}/login", login.login),
        web.post(f"{PATH}/logout", login.logout),
        web.get(f"{PATH}/api/workers", _guarded(queries.workers)),
        web.post(f"{PATH}/api/workers/{{name}}/drain", _guarded(actions.drain, change=True)),
        web.post(f"{PATH}/api/workers/{{name}}/resume", _guarded(actions.resume, change=True)),
        web.get(f"{PATH}/api/queue", _guarded(queries.queue)),
        web.get(f"{PATH}/api/history", _guarded(queries.history)),
        web.get(f"{PATH}/api/tasks", _guarded(queries.tasks)),
        web.get(f"{PATH}/api/tasks/{{id}}", _guarded(queries.task)),
        web.post(f"{PATH}/api/tasks/{{id}}/cancel", _guarded(actions.cancel, change=True)),
        web.post(f"{PATH}/api/tasks/{{id}}/retry", _guarded(actions.retry, change=True)),
        web.get(f"{PATH}/api/webhooks", _guarded(queries.webhooks)),
        web.post(f"{PATH}/api/webhooks/{{id}}/redeliver", _guarded(actions.redeliver, change=True)),
    ]


async def started(app: web.Application) -> AsyncIterator[None]:
    """Make the gate and keep the history while the service runs; the stores are there before."""
    app[GATE] = Gate(app[SETTINGS], app[STORE], app[TOKENS], app[DOORKEEPER])
    app[SCENES] = Scenes(app[SETTINGS], app[STORE], app[QUEUE])
    recording = asyncio.create_task(record(app[SETTINGS], app[STORE]))
    yield
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)


@unlisted("a page for people")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /dashboard: the page; its script asks the API."""
    return live_page(
        "dashboard.html",
        PATH,
        locked=gate(request).locked,
        statuses=_STATUSES,
        operations=list(OPERATIONS),
    )


def _guarded(handler: Handler, *, change: bool = False) -> Handler:
    """Return a handler that asks the gate first; browsers get its refusals as pages."""

    @functools.wraps(handler)  # what it declared holds for the guarded one
    async def passed(request: web.Request) -> web.StreamResponse:
        try:
            await gate(request).admit(request, change=change)
            response = await handler(request)
        except AppError as error:
            if not wants_page(request):
                raise
            log.info("refused", **error.document())
            if isinstance(error, Unauthorized) and request.path == PATH:
                return login.to_login(request)
            return _page(error)
        if change:
            request.app[SCENES].forget()
        return response

    return passed


def _page(error: AppError) -> web.Response:
    refusal = answer(error)
    shown = page(
        "notice.html",
        status=refusal.status,
        title="Not here",
        detail=f"{error.detail[0].upper()}{error.detail[1:]}.",
        button="",
        one_click=False,
    )
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in refusal.headers:
            shown.headers[name] = refusal.headers[name]
    return shown
