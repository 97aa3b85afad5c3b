"""GET /healthz: liveness, version. GET /readyz: readiness, or what is missing. GET /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypeVar

from aiohttp import web
from async_lru import alru_cache
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from models import VERSION
from models.errors import StoreUnavailable
from models.store import Store
from service.app_keys import DRAINING, QUEUE, STORE
from service.http.errors import RETRY_AFTER_SECONDS
from service.metrics_collector import METRICS_COLLECTOR
from service.openapi.endpoint import ResponseSpec, endpoint
from service.schemas import HealthBody, MissingPart, ReadinessBody

T = TypeVar("T")

StoreStates = tuple[bool, bool, int]
"""Whether MongoDB and Redis respond, and the number of live workers."""

READINESS: web.AppKey[Callable[[], Awaitable[StoreStates]]] = web.AppKey("readiness")
_CACHE_SECONDS = 0.25
_ANSWER_SECONDS = 0.8  # a store that takes longer is missing: balancers ask with short timeouts


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
        mongodb, redis, workers = await asyncio.gather(
            _in_time(partial(_accepts_writes, store)),
            _in_time(queue.ping),
            _in_time(store.workers.count_alive),
        )
        return mongodb is not False, redis is not False, workers or 0

    return alru_cache(ttl=_CACHE_SECONDS)(load)


async def _accepts_writes(store: Store) -> None:
    await store.ping()
    await store.health.check_majority()


async def _in_time(ask: Callable[[], Awaitable[T]]) -> T | Literal[False]:
    """Return the answer of a store; False if it is away or does not answer in time."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await ask()
    except (StoreUnavailable, TimeoutError):
        return False


@endpoint(
    "Service",
    "Readiness",
    any_query=True,
    responses={
        200: ResponseSpec(
            "Images are accepted and processed. ``missing`` may name Redis: without it uploads are "
            "accepted and running tasks go on; those that wait start when it is back.",
            ReadinessBody,
        ),
        503: ResponseSpec("Something is missing.", ReadinessBody, headers=("Retry-After",)),
    },
    examples=("curl {url}/readyz",),
)
async def readyz(request: web.Request) -> web.StreamResponse:
    """Respond 200 if uploads are accepted and a worker is alive, else 503, within a second.

    Without Redis they are.
    """
    mongodb, redis, workers = await request.app[READINESS]()
    checks: dict[MissingPart, bool] = {
        "mongodb": mongodb,
        "redis": redis,
        "workers": workers > 0,
        "draining": not request.app[DRAINING].is_set(),
    }
    missing = [name for name, passed in checks.items() if not passed]
    ready = missing in ([], ["redis"])
    document: ReadinessBody = {
        "status": "ready" if ready else "not ready",
        "missing": missing,
        "workers": workers,
    }
    headers = None if ready else {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return web.json_response(document, status=200 if ready else 503, headers=headers)


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
