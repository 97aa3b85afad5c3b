"""The route table: every method and path of the service with its permission and handler."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from models.operations import OPERATIONS
from models.settings import Settings
from service.auth.permissions import PERMISSIONS, Permission
from service.dashboard import actions, page, queries
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

_UNCOUNTED = Permission.PUBLIC_UNCOUNTED
_PUBLIC = Permission.PUBLIC
_READ = Permission.READ
_READ_OR_LINK = Permission.READ_OR_LINK
_SUBMIT = Permission.SUBMIT
_ADMIN = Permission.ADMIN
_DASHBOARD = Permission.DASHBOARD

RouteTable = list[tuple[Permission, web.RouteDef]]


def routes(settings: Settings) -> RouteTable:
    """Return the routes; /metrics only where METRICS is on."""
    upload = [web.post(f"/{op}", operation_handler(op)) for op in OPERATIONS if op != "convert"]
    table: RouteTable = [
        (_PUBLIC, web.get("/", home.index)),
        (_PUBLIC, web.get("/login", login.form)),
        (_PUBLIC, web.post("/login", login.login)),
        (_PUBLIC, web.post("/logout", login.logout)),
        *((_SUBMIT, each) for each in upload),
        (_SUBMIT, web.post("/process", process)),
        # With ``file`` the older thumbnail service.
        (_SUBMIT, web.post("/convert", convert.convert)),
        (_READ, web.get("/convert/{id}", convert.show)),
        (_SUBMIT, web.post("/convert/", convert.grayscale)),
        # They read and write local files, which have no owner.
        (_ADMIN, web.post("/items/", items.run)),
        (_ADMIN, web.post("/items", items.run)),
        (Permission.ANY_KEY, web.get("/operations", operations.index)),
        (_PUBLIC, web.get("/docs", docs.show)),
        (_PUBLIC, web.get("/openapi.json", docs.openapi)),
        (_UNCOUNTED, web.get("/static/{name}", static_files.serve)),
        (_READ, web.get("/tasks/{id}", tasks.show)),
        (_SUBMIT, web.delete("/tasks/{id}", tasks.cancel)),
        (_SUBMIT, web.post("/tasks/{id}/retry", tasks.retry)),
        (_READ, web.get("/tasks/{id}/events", events.task, allow_head=False)),
        (_SUBMIT, web.post("/groups", groups.create)),
        (_READ, web.get("/status/{id}", groups.show)),
        (_READ_OR_LINK, web.get("/status/{id}/archive", groups.archive)),
        (_READ, web.post("/status/{id}/archive/link", links.archive)),
        (_READ, web.get("/status/{id}/events", events.group, allow_head=False)),
        (_READ_OR_LINK, web.get("/processed/{name}", processed.serve)),
        (_SUBMIT, web.delete("/processed/{name}", processed.delete)),
        (_READ, web.post("/processed/{name}/link", links.result)),
        # It sends an e-mail; so would HEAD.
        (_SUBMIT, web.get("/send_images/{id}", send_images.send, allow_head=False)),
        (_SUBMIT, web.post("/send_images/{id}", send_images.send)),
        (_SUBMIT, web.post("/subscribe", newsletter.subscribe)),
        (_PUBLIC, web.get("/subscribe/confirm", newsletter.confirm_page)),
        (_PUBLIC, web.post("/subscribe/confirm", newsletter.confirm)),
        (_PUBLIC, web.get("/unsubscribe", newsletter.unsubscribe_page)),
        (_PUBLIC, web.post("/unsubscribe", newsletter.unsubscribe)),
        (_DASHBOARD, web.get("/dashboard", page.show)),
        (_DASHBOARD, web.get("/dashboard/api/workers", queries.workers)),
        (_DASHBOARD, web.post("/dashboard/api/workers/{name}/drain", actions.drain)),
        (_DASHBOARD, web.post("/dashboard/api/workers/{name}/resume", actions.resume)),
        (_DASHBOARD, web.get("/dashboard/api/queue", queries.queue)),
        (_DASHBOARD, web.get("/dashboard/api/history", queries.history)),
        (_DASHBOARD, web.get("/dashboard/api/tasks", queries.tasks)),
        (_DASHBOARD, web.get("/dashboard/api/tasks/{id}", queries.task)),
        (_DASHBOARD, web.post("/dashboard/api/tasks/{id}/cancel", actions.cancel)),
        (_DASHBOARD, web.post("/dashboard/api/tasks/{id}/retry", actions.retry)),
        (_DASHBOARD, web.get("/dashboard/api/webhooks", queries.webhooks)),
        (_DASHBOARD, web.post("/dashboard/api/webhooks/{id}/redeliver", actions.redeliver)),
        (_UNCOUNTED, web.get("/healthz", health.healthz)),
        (_UNCOUNTED, web.get("/readyz", health.readyz)),
    ]
    if settings.metrics:  # they tell of all clients
        table.append((_ADMIN, web.get("/metrics", metrics.show)))
    return table


def add_routes(app: web.Application, table: Iterable[tuple[Permission, web.RouteDef]]) -> None:
    """Add the routes of ``table`` to the router, and their permissions to PERMISSIONS."""
    for permission, definition in table:
        definition.kwargs["expect_handler"] = handle_expect
        for added in definition.register(app.router):
            for route in added.resource or ():  # with GET also HEAD, which aiohttp adds
                app[PERMISSIONS].setdefault(route, permission)
