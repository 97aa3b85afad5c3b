"""GET /metrics: metrics for Prometheus."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from service.metrics_collector import METRICS_COLLECTOR
from service.openapi.endpoint import ResponseSpec, endpoint


@endpoint(
    "Service",
    "Metrics for Prometheus",
    any_query=True,
    responses={200: ResponseSpec("Prometheus' text format, 0.0.4.", media=("text/plain",))},
    examples=("curl {url}/metrics",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """Respond 200 with the available metrics; ``darkroom_store_up`` says which store is down."""
    response = web.Response(
        body=await request.app[METRICS_COLLECTOR].exposition(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )
    response.enable_compression()
    return response
