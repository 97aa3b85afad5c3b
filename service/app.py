"""The application and its route table, which is the table of contents of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from models.auth.tokens import Tokens
from models.metrics import event_loop_lag
from models.metrics.definitions import MONGODB, REDIS
from models.metrics.instruments import Instruments
from models.metrics.metric import Source
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS
from models.redis.queue import Queue
from models.redis.result_cache import Cache
from models.settings import Settings
from models.store import Store
from service.app_keys import (
    ADMISSION,
    CACHE,
    CATALOGUE,
    DRAINING,
    ENDINGS,
    INSTRUMENTS,
    LISTENERS,
    OPENAPI,
    QUEUE,
    SCRAPE,
    SETTINGS,
    STORE,
    SUBMITTER,
    TOKENS,
)
from service.auth import permissions, startup_check
from service.auth.authenticator import DOORKEEPER, Doorkeeper
from service.auth.middleware import enter
from service.auth.rate_limit import TOLL, Toll, tell
from service.dashboard import routes as dashboard
from service.events.change_stream import watch
from service.events.long_poll import Endings
from service.events.sse_hub import Listeners
from service.handlers import (
    docs,
    events,
    groups,
    health,
    home,
    links,
    login,
    metrics,
    newsletter,
    operations,
    processed,
    send_images,
    tasks,
)
from service.handlers.submissions import process, submission
from service.http import allowed_hosts, cors
from service.http.errors import translate
from service.http.metrics import measure
from service.http.request_context import expect, identify, sign, unambiguous
from service.http.security_headers import harden
from service.legacy import convert, items
from service.metrics_collector import Scrape
from service.openapi.document import document
from service.openapi.served import Served
from service.pages import static_files
from service.submissions.admission import Admission
from service.submissions.callbacks import no_loop
from service.submissions.submit import Submitter

log = structlog.get_logger()


def create_app(settings: Settings) -> web.Application:
    """Return the application; nothing is connected before it starts."""
    app = web.Application(
        middlewares=[
            identify,
            measure,
            translate,
            unambiguous,
            allowed_hosts.check,
            no_loop,
            cors.preflight,
            enter,
        ]
    )
    app[SETTINGS] = settings
    app[DRAINING] = asyncio.Event()
    app[INSTRUMENTS] = Instruments(Source.SERVICE)
    app[health.LOOK] = health.look(app)
    app[CATALOGUE] = Catalogue.read(settings.networks, settings.onnx)
    for problem in app[CATALOGUE].problems:
        log.warning("network_refused", reason=problem)
    app.cleanup_ctx.extend([_stores, _endings, _figures, dashboard.started])
    app.on_response_prepare.extend([sign, harden, cors.allow, tell])
    app.on_shutdown.append(_let_go)
    routes = [
        web.get("/", home.index),
        web.get("/login", login.form),
        web.post("/login", login.login),
        web.post("/logout", login.logout),
        *(web.post(f"/{op}", submission(op)) for op in OPERATIONS if op != "convert"),
        web.post("/process", process),
        web.post("/convert", convert.convert),  # ours, and the older thumbnail service's
        web.get("/convert/{id}", convert.converted),
        web.post("/convert/", convert.grayscale),
        web.post("/items/", items.run),
        web.post("/items", items.run),
        web.get("/operations", operations.index),
        web.get("/docs", docs.show),
        web.get("/openapi.json", docs.openapi),
        web.get("/static/{name}", static_files.serve),
        web.get("/tasks/{id}", tasks.show),
        web.delete("/tasks/{id}", tasks.cancel),
        web.post("/tasks/{id}/retry", tasks.retry),
        web.get("/tasks/{id}/events", events.task, allow_head=False),
        web.post("/groups", groups.gather),
        web.get("/status/{id}", groups.show),
        web.get("/status/{id}/archive", groups.archive),
        web.post("/status/{id}/archive/link", links.archive),
        web.get("/status/{id}/events", events.group, allow_head=False),
        web.get("/processed/{name}", processed.serve),
        web.delete("/processed/{name}", processed.delete),
        web.post("/processed/{name}/link", links.result),
        # No HEAD: it would send a letter.
        web.get("/send_images/{id}", send_images.send, allow_head=False),
        web.post("/send_images/{id}", send_images.send),
        web.post("/subscribe", newsletter.subscribe),
        web.get("/subscribe/confirm", newsletter.confirm_page),
        web.post("/subscribe/confirm", newsletter.confirm),
        web.get("/unsubscribe", newsletter.unsubscribe_page),
        web.post("/unsubscribe", newsletter.unsubscribe),
        *dashboard.routes(),
        web.get("/healthz", health.alive),
        web.get("/readyz", health.ready),
    ]
    if settings.metrics:
        routes.append(web.get("/metrics", metrics.show))
    for route in routes:
        route.kwargs["expect_handler"] = expect
    app.add_routes(routes)
    permissions.check(app.router.routes())
    app[OPENAPI] = Served(lambda: document(app))
    return app


async def _stores(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    store = app[STORE] = await Store.open(settings, app[INSTRUMENTS].clock(MONGODB))
    try:
        await startup_check.check(settings, store)
    except BaseException:
        store.close()
        raise
    secret = settings.secret_key.get_secret_value() or await app[STORE].secret.get()
    app[TOKENS] = Tokens(secret, settings)
    app[TOLL] = Toll(settings)
    app[DOORKEEPER] = Doorkeeper(settings, app[STORE], app[TOKENS], app[TOLL])
    app[QUEUE] = Queue.open(settings, app[INSTRUMENTS].clock(REDIS))
    app[CACHE] = Cache(settings)
    app[ADMISSION] = Admission(settings, app[STORE])
    app[SUBMITTER] = Submitter(settings, app[CATALOGUE], app[STORE], app[QUEUE], app[ADMISSION])
    yield
    await app[TOLL].close()
    await app[CACHE].close()
    await app[QUEUE].close()
    app[STORE].close()


async def _endings(app: web.Application) -> AsyncIterator[None]:
    """Whoever waits or listens lives of one change stream."""
    endings = app[ENDINGS] = Endings(app[STORE])
    listeners = app[LISTENERS] = Listeners(app[SETTINGS], app[STORE], app[INSTRUMENTS])
    working = [
        asyncio.create_task(watch(app[STORE].feed, [endings, listeners])),
        asyncio.create_task(listeners.run()),
    ]
    yield
    for each in working:
        each.cancel()
    await asyncio.gather(*working, return_exceptions=True)


async def _figures(app: web.Application) -> AsyncIterator[None]:
    instruments = app[INSTRUMENTS]
    scrape = app[SCRAPE] = Scrape(app[SETTINGS], app[STORE], app[QUEUE], instruments)
    watching = asyncio.create_task(event_loop_lag.watch(instruments))
    yield
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await scrape.close()


async def _let_go(app: web.Application) -> None:
    """Before the service waits for answers in flight: who waits or listens is answered now."""
    app[ENDINGS].close()
    app[LISTENERS].close()
