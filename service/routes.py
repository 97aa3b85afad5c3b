"""The route table: every method and path of the service with its handler."""

from __future__ import annotations

from aiohttp import web

from models.operations import OPERATIONS
from models.settings import Settings
from service.dashboard import routes as dashboard
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
from service.handlers.submissions import operation_handler, process
from service.http.protocol_checks import handle_expect
from service.legacy import convert, items
from service.pages import static_files


def routes(settings: Settings) -> list[web.RouteDef]:
    """Return the routes; /metrics only where METRICS is on."""
    table = [
        web.get("/", home.index),
        web.get("/login", login.form),
        web.post("/login", login.login),
        web.post("/logout", login.logout),
        *(web.post(f"/{op}", operation_handler(op)) for op in OPERATIONS if op != "convert"),
        web.post("/process", process),
        web.post("/convert", convert.convert),  # with ``file`` the older thumbnail service
        web.get("/convert/{id}", convert.show),
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
        web.post("/groups", groups.create),
        web.get("/status/{id}", groups.show),
        web.get("/status/{id}/archive", groups.archive),
        web.post("/status/{id}/archive/link", links.archive),
        web.get("/status/{id}/events", events.group, allow_head=False),
        web.get("/processed/{name}", processed.serve),
        web.delete("/processed/{name}", processed.delete),
        web.post("/processed/{name}/link", links.result),
        # No HEAD: it would send an e-mail.
        web.get("/send_images/{id}", send_images.send, allow_head=False),
        web.post("/send_images/{id}", send_images.send),
        web.post("/subscribe", newsletter.subscribe),
        web.get("/subscribe/confirm", newsletter.confirm_page),
        web.post("/subscribe/confirm", newsletter.confirm),
        web.get("/unsubscribe", newsletter.unsubscribe_page),
        web.post("/unsubscribe", newsletter.unsubscribe),
        *dashboard.routes(),
        web.get("/healthz", health.healthz),
        web.get("/readyz", health.readyz),
    ]
    if settings.metrics:
        table.append(web.get("/metrics", metrics.show))
    for route in table:
        route.kwargs["expect_handler"] = handle_expect
    return table
