"""Request count and duration metrics by method, route and status."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler

from models.metrics.definitions import REQUEST_DURATION, REQUESTS_IN_PROGRESS
from service.app_keys import INSTRUMENTS

_UNKNOWN = "unknown"  # not a route: the path is client input and must not become a label


@web.middleware
async def metrics_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: count and time the request by method, route template and status."""
    instruments = request.app[INSTRUMENTS]
    in_progress = instruments.gauges[REQUESTS_IN_PROGRESS]
    resource = request.match_info.route.resource
    route = resource.canonical if resource else _UNKNOWN
    status = 499  # client disconnected
    began = time.perf_counter()
    in_progress.inc()
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as error:
        status = error.status
        raise
    finally:
        in_progress.dec()
        spent = time.perf_counter() - began
        instruments.observe(REQUEST_DURATION, spent, request.method, route, str(status))
