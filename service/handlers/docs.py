"""What the API offers: GET /openapi.json, GET /docs, GET /operations."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from models.error_members import meaning
from models.errors import StoreUnavailable
from models.images.inspect import file_types
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import summary
from models.work_estimate import listed_prices, network_part
from models.work_prices import Prices
from service.app_keys import CATALOGUE, SETTINGS, STORE
from service.http.errors import STATUS
from service.http.responses import etag_response, json_response
from service.openapi import docs_page
from service.openapi.document import OPENAPI
from service.openapi.endpoint import JSON, ResponseSpec, endpoint, unlisted
from service.openapi.limits import upload_limits
from service.openapi.problem_schema import error_codes
from service.openapi.scales import with_scales
from service.pages.render import layout_page
from service.schemas import OperationBody, OperationsBody

_HEADERS = ("ETag", "Cache-Control")


@endpoint(
    "Service",
    "This document",
    any_query=True,
    headers=("If-None-Match",),
    responses={
        200: ResponseSpec("OpenAPI 3.1.", dict[str, object], headers=_HEADERS),
        304: ResponseSpec("If-None-Match has it.", headers=_HEADERS),
    },
    examples=("curl {url}/openapi.json",),
)
async def openapi(request: web.Request) -> web.StreamResponse:
    """GET /openapi.json; the same until the service starts with other code or settings."""
    # A minute: after a new version clients may still have the last one for as long.
    return etag_response(request, request.app[OPENAPI].body, JSON, "public, max-age=60")


@unlisted("an HTML page")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /docs: the API reference, made from the OpenAPI document."""
    document, settings = request.app[OPENAPI].document, request.app[SETTINGS]
    return layout_page(
        request,
        "docs.html",
        "/docs",
        docs=docs_page,
        document=document,
        url=settings.http.base_url,
        errors=error_codes(),
        statuses=STATUS,
        meaning=meaning,
        limits=upload_limits(settings.uploads),
        file_types=file_types(settings.uploads.accepted_formats),
    )


@endpoint(
    "Service",
    "List the operations",
    any_query=True,
    responses={200: ResponseSpec("The operations and the engines.", OperationsBody)},
    examples=("curl {url}/operations",),
)
async def operations(request: web.Request) -> web.StreamResponse:
    """List the operations, and the engines of the live workers; {} while MongoDB is down."""
    engines: dict[str, int] = {}
    prices = Prices()
    store, catalogue = request.app[STORE], request.app[CATALOGUE]
    try:
        engines = await store.workers.engines()
        prices = await store.measured_tasks.prices()
    except StoreUnavailable:  # the operations are known without the store
        pass
    listed = listed_prices(catalogue, prices)
    body: OperationsBody = {
        "operations": [_operation_body(spec, catalogue, listed) for spec in OPERATIONS.values()],
        "engines": engines,
        "seconds_per_megapixel": listed,
    }
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    response = json_response(body, headers=headers)
    response.enable_compression()  # each look at the page loads it: 3 kB instead of 11
    return response


def _operation_body(
    spec: type[Operation], catalogue: Catalogue, prices: Mapping[str, float]
) -> OperationBody:
    """Return the route, help text and JSON Schema of an operation; ``prices``: by part."""
    body: OperationBody = {
        "op": spec.op,
        "summary": summary(spec),
        "route": f"/{spec.op}",
        "shorthand": spec.op if spec.shorthand is None else f"{spec.op}=<{spec.shorthand}>",
        "example": dict(spec.example),
        "results": spec.parts,
        "parameters": with_scales(spec.model_json_schema(), catalogue),
    }
    if "model" in spec.model_fields:
        body["models"] = [
            {
                "model": w.name,
                "scale": w.scale,
                "source": w.source,
                "licence": w.licence,
                "seconds_per_megapixel": prices[network_part(spec.op, w.name, w.scale)],
            }
            for w in catalogue.available()
            if w.scale > 1  # the others are for restore
        ]
    return body
