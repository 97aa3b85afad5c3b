"""GET /operations: what can be done to a picture, as the registry has it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from models.catalogue import Catalogue
from models.errors import StoreUnavailable
from models.operations import OPERATIONS, Operation
from models.operations.help import summary
from service.answers import json_answer
from service.keys import CATALOGUE, SETTINGS, STORE


async def index(request: web.Request) -> web.StreamResponse:
    """List the operations, and the engines that living workers upscale with; {} while unknown."""
    listed = [document(spec, request.app[CATALOGUE]) for spec in OPERATIONS.values()]
    try:
        seen = request.app[SETTINGS].worker_seen_seconds
        engines = await request.app[STORE].presence.engines(seen)
    except StoreUnavailable:  # what can be asked for is known without the store
        engines = {}
    said = {"operations": listed, "engines": engines}
    return json_answer(said, headers={"Cache-Control": "no-cache"})


def document(spec: type[Operation], catalogue: Catalogue) -> dict[str, Any]:
    """Return what a client needs to offer the operation: route, help text, JSON schema."""
    said: dict[str, Any] = {
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
