"""GET /healthz: liveness and version. GET /readyz: readiness, or what is missing."""

from __future__ import annotations

import asyncio

from aiohttp import web

from models import VERSION
from models.errors import StoreUnavailable
from service.app_keys import DRAINING, QUEUE, STORE
from service.http.errors import RETRY_AFTER_SECONDS
from service.openapi.endpoint import ResponseSpec, endpoint
from service.schemas import HealthBody, MissingPart, ReadinessBody
from service.ttl_cache import TTLCache

StoreStates = tuple[bool, bool, int]
"""Whether MongoDB and Redis respond, and the number of live workers."""

READINESS: web.AppKey[TTLCache[StoreStates]] = web.AppKey("look", TTLCache)
_CACHE_SECONDS = 0.25


@endpoint(
    "Service",
    "Liveness",
    responses={200: ResponseSpec("The process responds.", HealthBody)},
    examples=("curl {url}/healthz",),
)
async def healthz(request: web.Request) -> web.StreamResponse:
    document: HealthBody = {"status": "alive", "version": VERSION}
    return web.json_response(document)


def readiness_cache(app: web.Application) -> TTLCache[StoreStates]:
    """Return the state that all calls of /readyz share: they are not rate limited."""

    async def load() -> StoreStates:
        store, queue = app[STORE], app[QUEUE]
        answers = await asyncio.gather(
            store.ping(),
            queue.ping(),
            store.workers.count_alive(),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
                raise answer
        mongodb, redis, workers = answers
        return mongodb is None, redis is None, workers if isinstance(workers, int) else 0

    return TTLCache(load, _CACHE_SECONDS)


@endpoint(
    "Service",
    "Readiness",
    responses={
        200: ResponseSpec("The stores respond, and a worker is alive.", ReadinessBody),
        503: ResponseSpec("Something is missing.", ReadinessBody, headers=("Retry-After",)),
    },
    examples=("curl {url}/readyz",),
)
async def readyz(request: web.Request) -> web.StreamResponse:
    """Respond 200 if the stores respond and a worker is alive, else 503 with what is missing."""
    mongodb, redis, workers = await request.app[READINESS].get()
    checks: dict[MissingPart, bool] = {
        "mongodb": mongodb,
        "redis": redis,
        "workers": workers > 0,
        "draining": not request.app[DRAINING].is_set(),
    }
    missing = [name for name, passed in checks.items() if not passed]
    document: ReadinessBody = {
        "status": "not ready" if missing else "ready",
        "missing": missing,
        "workers": workers,
    }
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if missing else None
    return web.json_response(document, status=503 if missing else 200, headers=headers)
