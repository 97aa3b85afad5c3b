"""GET /metrics: what goes on, for Prometheus."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from service.app_keys import SCRAPE
from service.openapi.endpoint import Answer, call


@call(
    "Service",
    "What goes on, for Prometheus",
    answers={200: Answer("Prometheus' text format, 0.0.4.", media=("text/plain",))},
    examples=("curl {url}/metrics",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """Answer 200 with what can be had; which store is away stands in ``darkroom_store_up``."""
    response = web.Response(
        body=await request.app[SCRAPE].text(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )
    response.enable_compression()
    return response
