"""The route table: every method and path of the service with its permission and handler."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from models.operations import OPERATIONS
from models.settings.monitoring import MonitoringSettings
from service.auth.permissions import PERMISSIONS, Permission
from service.dashboard import actions, original, page, queries
from service.handlers import (
    deliveries,
    docs,
    events,
    groups,
    health,
    home,
    links,
    login,
    newsletter,
    presets,
    processed,
    send_images,
    tasks,
)
from service.handlers.submissions import (
    operation_handler,
    picture_handler,
    process,
    put_process,
)
from service.http.request_checks import handle_expect
from service.legacy import convert, items
from service.pages import static_files

RouteTable = list[tuple[Permission, web.RouteDef]]


def routes(settings: MonitoringSettings) -> RouteTable:
    """Return the routes; /metrics only where METRICS is on."""
    upload = [web.post(f"/{op}", operation_handler(op)) for op in OPERATIONS if op != "convert"]
    upload += [web.put(f"/{op}", picture_handler(op)) for op in OPERATIONS]
    table: RouteTable = [
        (Permission.PUBLIC, web.get("/", home.index)),
        (Permission.PUBLIC, web.get("/login", login.form)),
        (Permission.PUBLIC, web.post("/login", login.login)),
        (Permission.PUBLIC, web.post("/logout", login.logout)),
        *((Permission.SUBMIT, each) for each in upload),
        (Permission.SUBMIT, web.post("/process", process)),
        (Permission.SUBMIT, web.put("/process", put_process)),
        # With ``file`` the older thumbnail service.
        (Permission.SUBMIT, web.post("/convert", convert.convert)),
        (Permission.READ, web.get("/convert/{id}", convert.show)),
        (Permission.SUBMIT, web.post("/convert/", convert.grayscale)),
        # They read and write local files, which have no owner.
        (Permission.ADMIN, web.post("/items/", items.run)),
        (Permission.ADMIN, web.post("/items", items.run)),
        (Permission.ANY_KEY, web.get("/operations", docs.operations)),
        (Permission.ANY_KEY, web.get("/presets", presets.show)),
        (Permission.SUBMIT, web.put("/presets/{name}", presets.put)),
        (Permission.SUBMIT, web.delete("/presets/{name}", presets.delete)),
        (Permission.PUBLIC, web.get("/docs", docs.show)),
        (Permission.PUBLIC, web.get("/openapi.json", docs.openapi)),
        (Permission.PUBLIC_UNCOUNTED, web.get("/static/{name}", static_files.serve)),
        (Permission.READ, web.get("/tasks/{id}", tasks.show)),
        (Permission.SUBMIT, web.delete("/tasks/{id}", tasks.cancel)),
        (Permission.SUBMIT, web.post("/tasks/{id}/retry", tasks.retry)),
        (Permission.READ, web.get("/tasks/{id}/deliveries", deliveries.show)),
        (Permission.READ, web.get("/tasks/{id}/events", events.task, allow_head=False)),
        (Permission.SUBMIT, web.post("/groups", groups.create)),
        (Permission.READ, web.get("/status/{id}", groups.show)),
        (Permission.READ_OR_LINK, web.get("/status/{id}/archive", groups.archive)),
        (Permission.READ, web.post("/status/{id}/archive/link", links.archive)),
        (Permission.READ, web.get("/status/{id}/events", events.group, allow_head=False)),
        (Permission.READ_OR_LINK, web.get("/processed/{name}", processed.serve)),
        (Permission.SUBMIT, web.delete("/processed/{name}", processed.delete)),
        (Permission.READ, web.post("/processed/{name}/link", links.result)),
        # It sends an e-mail; so would HEAD.
        (Permission.SUBMIT, web.get("/send_images/{id}", send_images.send, allow_head=False)),
        (Permission.SUBMIT, web.post("/send_images/{id}", send_images.send)),
        (Permission.SUBMIT, web.post("/subscribe", newsletter.subscribe)),
        (Permission.PUBLIC, web.get("/subscribe/confirm", newsletter.confirm_page)),
        (Permission.PUBLIC, web.post("/subscribe/confirm", newsletter.confirm)),
        (Permission.PUBLIC, web.get("/unsubscribe", newsletter.unsubscribe_page)),
        (Permission.PUBLIC, web.post("/unsubscribe", newsletter.unsubscribe)),
        (Permission.DASHBOARD, web.get("/dashboard", page.show)),
        (Permission.DASHBOARD, web.get("/dashboard/api/workers", queries.workers)),
        (Permission.DASHBOARD, web.post("/dashboard/api/workers/{name}/drain", actions.drain)),
        (Permission.DASHBOARD, web.post("/dashboard/api/workers/{name}/resume", actions.resume)),
        (Permission.DASHBOARD, web.get("/dashboard/api/queue", queries.queue)),
        (Permission.DASHBOARD, web.get("/dashboard/api/history", queries.history)),
        (Permission.DASHBOARD, web.get("/dashboard/api/activity", queries.activity)),
        (Permission.DASHBOARD, web.get("/dashboard/api/health", queries.health)),
        (Permission.DASHBOARD, web.get("/dashboard/api/tasks", queries.tasks)),
        (Permission.DASHBOARD, web.get("/dashboard/api/tasks/{id}", queries.task)),
        (Permission.DASHBOARD, web.get("/dashboard/api/tasks/{id}/original", original.serve)),
        (Permission.DASHBOARD, web.post("/dashboard/api/tasks/{id}/cancel", actions.cancel)),
        (Permission.DASHBOARD, web.post("/dashboard/api/tasks/{id}/retry", actions.retry)),
        (Permission.DASHBOARD, web.get("/dashboard/api/webhooks", queries.webhooks)),
        (
            Permission.DASHBOARD,
            web.post("/dashboard/api/webhooks/{id}/redeliver", actions.redeliver),
        ),
        (Permission.PUBLIC_UNCOUNTED, web.get("/healthz", health.healthz)),
        (Permission.PUBLIC_UNCOUNTED, web.get("/readyz", health.readyz)),
    ]
    if settings.metrics:  # they tell of all clients
        table.append((Permission.ADMIN, web.get("/metrics", health.metrics)))
    return table


def add_routes(app: web.Application, table: Iterable[tuple[Permission, web.RouteDef]]) -> None:
    """Add the routes of ``table`` to the router, and their permissions to PERMISSIONS."""
    for permission, definition in table:
        definition.kwargs["expect_handler"] = handle_expect
        for added in definition.register(app.router):
            for route in added.resource or ():  # with GET also HEAD, which aiohttp adds
                app[PERMISSIONS].setdefault(route, permission)
