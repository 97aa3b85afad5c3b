"""GET /operations: what can be done to a picture, as the registry has it."""

from __future__ import annotations

from aiohttp import web

from models.errors import StoreUnavailable
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import summary
from service.app_keys import CATALOGUE, SETTINGS, STORE
from service.http.responses import json_answer
from service.openapi.endpoint import Answer, call
from service.schemas import OperationBody, OperationsBody


@call(
    "Service",
    "What can be done to a picture",
    answers={200: Answer("The operations and the engines.", OperationsBody)},
    examples=("curl {url}/operations",),
)
async def index(request: web.Request) -> web.StreamResponse:
    """List the operations, and the engines that living workers upscale with; {} while unknown."""
    listed = [document(spec, request.app[CATALOGUE]) for spec in OPERATIONS.values()]
    try:
        seen = request.app[SETTINGS].worker_seen_seconds
        engines = await request.app[STORE].presence.engines(seen)
    except StoreUnavailable:  # what can be asked for is known without the store
        engines = {}
    said: OperationsBody = {"operations": listed, "engines": engines}
    return json_answer(said, headers={"Cache-Control": "no-cache"})


def document(spec: type[Operation], catalogue: Catalogue) -> OperationBody:
    """Return what a client needs to offer the operation: route, help text, JSON schema."""
    said: OperationBody = {
        "op": spec.op,
        "summary": summary(spec),
        "route": f"/{spec.op}",
        "shorthand": spec.op if spec.shorthand is None else f"{spec.op}=<{spec.shorthand}>",
        "example": dict(spec.example),
        "results": spec.parts,
        "parameters": spec.model_json_schema(),
    }
    if "model" in spec.model_fields:
        said["models"] = [
            {"model": w.name, "scale": w.scale, "source": w.source, "licence": w.licence}
            for w in catalogue.available()
        ]
    return said
