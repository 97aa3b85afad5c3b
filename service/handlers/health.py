"""GET /healthz: liveness, version. GET /readyz: readiness, or what is missing. GET /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from async_lru import alru_cache
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from models import VERSION
from models.errors import StoreUnavailable
from service.app_keys import DRAINING, QUEUE, STORE
from service.http.errors import RETRY_AFTER_SECONDS
from service.metrics_collector import METRICS_COLLECTOR
from service.openapi.endpoint import ResponseSpec, endpoint
from service.schemas import HealthBody, MissingPart, ReadinessBody

StoreStates = tuple[bool, bool, int]
"""Whether MongoDB and Redis respond, and the number of live workers."""

READINESS: web.AppKey[Callable[[], Awaitable[StoreStates]]] = web.AppKey("readiness")
_CACHE_SECONDS = 0.25


@endpoint(
    "Service",
    "Liveness",
    any_query=True,
    responses={200: ResponseSpec("The process responds.", HealthBody)},
    examples=("curl {url}/healthz",),
)
async def healthz(request: web.Request) -> web.StreamResponse:
    document: HealthBody = {"status": "alive", "version": VERSION}
    return web.json_response(document)


def readiness_cache(app: web.Application) -> Callable[[], Awaitable[StoreStates]]:
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

    return alru_cache(ttl=_CACHE_SECONDS)(load)


@endpoint(
    "Service",
    "Readiness",
    any_query=True,
    responses={
        200: ResponseSpec("The stores respond, and a worker is alive.", ReadinessBody),
        503: ResponseSpec("Something is missing.", ReadinessBody, headers=("Retry-After",)),
    },
    examples=("curl {url}/readyz",),
)
async def readyz(request: web.Request) -> web.StreamResponse:
    """Respond 200 if the stores respond and a worker is alive, else 503 with what is missing."""
    mongodb, redis, workers = await request.app[READINESS]()
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


@endpoint(
    "Service",
    "Metrics for Prometheus",
    any_query=True,
    responses={200: ResponseSpec("Prometheus' text format, 0.0.4.", media=("text/plain",))},
    examples=("curl {url}/metrics",),
)
async def metrics(request: web.Request) -> web.StreamResponse:
    """Respond 200 with the available metrics; ``darkroom_store_up`` says which store is down."""
    response = web.Response(
        body=await request.app[METRICS_COLLECTOR].exposition(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )
    response.enable_compression()
    return response
