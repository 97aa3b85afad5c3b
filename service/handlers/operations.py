"""GET /operations: what can be done to a picture, as the registry has it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from models.catalogue import Catalogue
from models.operations import OPERATIONS, Operation
from models.operations.help import summary
from service.keys import CATALOGUE


async def index(request: web.Request) -> web.StreamResponse:
    listed = [document(spec, request.app[CATALOGUE]) for spec in OPERATIONS.values()]
    text = json.dumps({"operations": listed}) + "\n"
    return web.Response(
        text=text, content_type="application/json", headers={"Cache-Control": "no-cache"}
    )


def document(spec: type[Operation], catalogue: Catalogue) -> dict[str, Any]:
    """Return what a client needs to offer the operation: route, help text, JSON schema."""
    said: dict[str, Any] = {
        "op": spec.op,
        "summary": summary(spec),
        "route": f"/{spec.op}",
        "shorthand": spec.op if spec.shorthand is None else f"{spec.op}=<{spec.shorthand}>",
        "results": spec.parts,
        "parameters": spec.model_json_schema(),
    }
    if "model" in spec.model_fields:
        said["models"] = [
            {"model": w.name, "scale": w.scale, "source": w.source, "licence": w.licence}
            for w in catalogue.available()
        ]
    return said
