"""How many requests of which kind, and how long each takes; never what a client wrote."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler

from models.metrics.definitions import REQUESTS, REQUESTS_NOW
from service.app_keys import INSTRUMENTS

_UNKNOWN = "unknown"  # no route of ours: the path is the client's


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request by method, route template and status."""
    instruments = request.app[INSTRUMENTS]
    now = instruments.gauges[REQUESTS_NOW]
    resource = request.match_info.route.resource
    route = resource.canonical if resource else _UNKNOWN
    status = 499  # the client went away
    began = time.perf_counter()
    now.inc()
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as error:
        status = error.status
        raise
    finally:
        now.dec()
        spent = time.perf_counter() - began
        instruments.observe(REQUESTS, spent, request.method, route, str(status))
