"""GET /healthz: alive. GET /readyz: able to do what it is for, or what is missing."""

from __future__ import annotations

import asyncio

from aiohttp import web

from models.errors import StoreUnavailable
from service.app_keys import DRAINING, QUEUE, SETTINGS, STORE
from service.http.errors import RETRY_AFTER
from service.openapi.endpoint import Answer, call
from service.schemas import Alive, Part, Readiness
from service.ttl_cache import Glance

Seen = tuple[bool, bool, int]
"""Whether MongoDB and Redis answer, and how many workers were seen lately."""

LOOK: web.AppKey[Glance[Seen]] = web.AppKey("look", Glance)
_FRESH = 0.25  # seconds


@call(
    "Service",
    "Whether the process answers",
    answers={200: Answer("It does.", Alive)},
    examples=("curl {url}/healthz",),
)
async def alive(request: web.Request) -> web.StreamResponse:
    document: Alive = {"status": "alive"}
    return web.json_response(document)


def look(app: web.Application) -> Glance[Seen]:
    """Return what all calls of /readyz share: anybody may ask it, and nobody counts them."""

    async def ask() -> Seen:
        store, queue, settings = app[STORE], app[QUEUE], app[SETTINGS]
        answers = await asyncio.gather(
            store.ping(),
            queue.ping(),
            store.presence.alive(settings.worker_seen_seconds),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
                raise answer
        mongodb, redis, workers = answers
        return mongodb is None, redis is None, workers if isinstance(workers, int) else 0

    return Glance(ask, _FRESH)


@call(
    "Service",
    "Whether the service can do what it is for",
    answers={
        200: Answer("The stores answer, and a worker was seen lately.", Readiness),
        503: Answer("Something is missing.", Readiness, headers=("Retry-After",)),
    },
    examples=("curl {url}/readyz",),
)
async def ready(request: web.Request) -> web.StreamResponse:
    """Answer 200 if the stores answer and a worker was seen lately, else 503 and what lacks."""
    mongodb, redis, workers = await request.app[LOOK].get()
    checks: dict[Part, bool] = {
        "mongodb": mongodb,
        "redis": redis,
        "workers": workers > 0,
        "draining": not request.app[DRAINING].is_set(),
    }
    missing = [name for name, good in checks.items() if not good]
    document: Readiness = {
        "status": "not ready" if missing else "ready",
        "missing": missing,
        "workers": workers,
    }
    headers = {"Retry-After": str(RETRY_AFTER)} if missing else None
    return web.json_response(document, status=503 if missing else 200, headers=headers)
