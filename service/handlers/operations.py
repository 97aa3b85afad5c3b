"""GET /operations: the operations with their parameters."""

from __future__ import annotations

from aiohttp import web

from models.errors import StoreUnavailable
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import summary
from service.app_keys import CATALOGUE, STORE
from service.http.responses import json_response
from service.openapi.endpoint import ResponseSpec, endpoint
from service.schemas import OperationBody, OperationsBody


@endpoint(
    "Service",
    "List the operations",
    responses={200: ResponseSpec("The operations and the engines.", OperationsBody)},
    examples=("curl {url}/operations",),
)
async def index(request: web.Request) -> web.StreamResponse:
    """List the operations, and the engines of the live workers; {} while MongoDB is down."""
    listed = [operation_body(spec, request.app[CATALOGUE]) for spec in OPERATIONS.values()]
    try:
        engines = await request.app[STORE].workers.engines()
    except StoreUnavailable:  # the operations are known without the store
        engines = {}
    body: OperationsBody = {"operations": listed, "engines": engines}
    return json_response(body, headers={"Cache-Control": "no-cache"})


def operation_body(spec: type[Operation], catalogue: Catalogue) -> OperationBody:
    """Return the route, help text and JSON Schema of an operation."""
    body: OperationBody = {
        "op": spec.op,
        "summary": summary(spec),
        "route": f"/{spec.op}",
        "shorthand": spec.op if spec.shorthand is None else f"{spec.op}=<{spec.shorthand}>",
        "example": dict(spec.example),
        "results": spec.parts,
        "parameters": spec.model_json_schema(),
    }
    if "model" in spec.model_fields:
        body["models"] = [
            {"model": w.name, "scale": w.scale, "source": w.source, "licence": w.licence}
            for w in catalogue.available()
        ]
    return body
