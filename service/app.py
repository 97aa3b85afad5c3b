"""The application: middlewares, shared resources and their lifetime; routes: ``service.routes``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from models.auth.tokens import Tokens
from models.errors import StoreUnavailable
from models.metrics.definitions import MONGODB_COMMANDS, REDIS_CALLS
from models.metrics.instruments import Instruments, measure_lag
from models.metrics.metric import MetricSource
from models.networks.catalogue import Catalogue
from models.periodic import run_periodically
from models.presets import read_file
from models.redis.connection import RedisConnection
from models.redis.queue import Queue
from models.redis.rate_limiter import RateLimiter
from models.settings import Settings
from models.shared_settings import shared_settings
from models.store import Store
from models.store.mongo.programs import REFRESH_SECONDS
from models.store.tasks.queue_history import INTERVAL_SECONDS
from models.tasks.needs import Abilities, differences
from service.app_keys import (
    CATALOGUE,
    DRAINING,
    INSTRUMENTS,
    PRESETS,
    QUEUE,
    SETTINGS,
    STORE,
    TOKENS,
)
from service.auth import startup_check
from service.auth.authenticator import AUTHENTICATOR, Authenticator
from service.auth.middleware import auth_middleware
from service.auth.permissions import PERMISSIONS
from service.auth.rate_limit import RATE_LIMITER, set_rate_limit_headers
from service.dashboard.overview import OVERVIEW, Overview
from service.dashboard.page import dashboard_middleware
from service.events.change_stream import REOPEN_SECONDS, watch_changes
from service.events.long_poll import (
    COMPLETION_WAITER,
    POLLED_TASKS,
    CompletionWaiter,
    PolledTasks,
)
from service.events.queue_watch import QUEUE_WATCH, QueueWatch
from service.events.sse_hub import EVENT_HUB, EventHub
from service.handlers import health
from service.http import cors
from service.http.errors import error_middleware
from service.http.request_checks import request_checks_middleware
from service.http.request_context import request_context_middleware, set_request_headers
from service.http.request_counts import FLUSH_SECONDS, REQUEST_COUNTS, RequestCounts
from service.http.security_headers import set_security_headers
from service.metrics_collector import METRICS_COLLECTOR, MetricsCollector
from service.openapi.document import OPENAPI, OpenApiDocument
from service.query import declaration_middleware
from service.recent_results import RECENT_RESULTS, RecentResults
from service.routes import add_routes, routes
from service.submissions.admission import Admission
from service.submissions.task_creator import TASK_CREATOR, TaskCreator
from service.uploads.disk_space import DISK_SPACE, DiskSpace
from service.uploads.image_fetcher import IMAGE_FETCHER, ImageFetcher

log = structlog.get_logger()


def create_app(settings: Settings) -> web.Application:
    """Return the application; it connects to the stores when it starts."""
    app = web.Application(
        middlewares=[
            request_context_middleware,
            error_middleware,
            request_checks_middleware,
            cors.cors_middleware,
            dashboard_middleware,
            auth_middleware,
            declaration_middleware,
        ]
    )
    app[SETTINGS] = settings
    app[DRAINING] = asyncio.Event()
    app[INSTRUMENTS] = Instruments(MetricSource.SERVICE)
    app[health.READINESS] = health.readiness_cache(app)
    app[CATALOGUE] = Catalogue.read(settings.networks.networks_dir)
    for problem in app[CATALOGUE].problems:
        log.warning("network_refused", reason=problem)
    app[PRESETS] = read_file(settings.http.presets_file, settings.uploads, app[CATALOGUE])
    app.cleanup_ctx.extend([stores_context, background_context])
    app.on_response_prepare.extend(
        [set_request_headers, set_security_headers, cors.set_cors_headers, set_rate_limit_headers]
    )
    app.on_shutdown.append(release_waiting)
    app[PERMISSIONS] = {}
    add_routes(app, routes(settings.monitoring))
    app[OPENAPI] = OpenApiDocument(app)
    return app


async def stores_context(app: web.Application) -> AsyncIterator[None]:
    """Connect to the stores; what was opened is closed in reverse, also if the start fails."""
    settings, instruments = app[SETTINGS], app[INSTRUMENTS]
    async with AsyncExitStack() as opened:
        store = app[STORE] = await Store.open(settings, instruments.call_observer(MONGODB_COMMANDS))
        opened.callback(store.close)
        await startup_check.check(settings, store.api_keys.any_live)
        app[REQUEST_COUNTS] = RequestCounts(store.activity)
        secret = await store.secret_key.get()
        await store.programs.join("service", shared_settings(settings, secret, worker=False))
        opened.push_async_callback(_leave, store)
        app[TOKENS] = Tokens(secret, store.clock.timestamp)
        app[QUEUE] = Queue.open(settings.stores, instruments.call_observer(REDIS_CALLS))
        opened.push_async_callback(app[QUEUE].close)
        redis = RedisConnection(settings.stores)
        opened.push_async_callback(redis.close)
        app[RATE_LIMITER] = RateLimiter(settings.limits, redis)
        app[AUTHENTICATOR] = Authenticator(settings.http, store, app[TOKENS])
        app[DISK_SPACE] = DiskSpace(settings.uploads, store)
        app[IMAGE_FETCHER] = ImageFetcher(settings)
        opened.push_async_callback(app[IMAGE_FETCHER].close)
        admission = Admission(settings, store, app[DISK_SPACE].free_space)
        app[TASK_CREATOR] = TaskCreator(
            settings, app[CATALOGUE], store, app[QUEUE], admission, app[RATE_LIMITER]
        )
        yield


async def _leave(store: Store) -> None:
    with contextlib.suppress(StoreUnavailable):
        await store.programs.leave()


async def background_context(app: web.Application) -> AsyncIterator[None]:
    """Run what goes on besides requests. Long polls and event streams share a change stream."""
    settings, store, instruments = app[SETTINGS], app[STORE], app[INSTRUMENTS]
    endings, polled = CompletionWaiter(), PolledTasks(store)
    app[COMPLETION_WAITER], app[POLLED_TASKS] = endings, polled
    watch = app[QUEUE_WATCH] = QueueWatch(store, app[QUEUE])
    hub = app[EVENT_HUB] = EventHub(settings.http, settings.limits, store, watch, instruments)
    app[METRICS_COLLECTOR] = MetricsCollector(settings.stores, store, app[QUEUE], instruments)
    app[RECENT_RESULTS] = RecentResults()
    mine = Abilities.of_worker(settings, app[CATALOGUE])
    app[OVERVIEW] = Overview(settings, store, app[QUEUE], app[DISK_SPACE].free_space, mine)
    if found := differences([mine, *(await store.workers.abilities() or ())]):
        log.warning("settings_differ", from_workers=found)
    feed, counts = store.change_stream, app[REQUEST_COUNTS]
    jobs: list[tuple[str, Callable[[], Awaitable[object]], float]] = [
        ("changes", lambda: watch_changes(feed, [endings, polled, hub]), REOPEN_SECONDS),
        ("history", app[OVERVIEW].record, INTERVAL_SECONDS),
        ("counts", counts.flush, FLUSH_SECONDS),
        ("programs", store.programs.refresh, REFRESH_SECONDS),
    ]
    running = [hub.run(), measure_lag(instruments), *(run_periodically(*job) for job in jobs)]
    working = [asyncio.create_task(each) for each in running]
    yield
    for each in working:
        each.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await counts.flush()


async def release_waiting(app: web.Application) -> None:
    """End long polls and event streams before the service waits for open requests."""
    app[COMPLETION_WAITER].close()
    app[EVENT_HUB].close()
