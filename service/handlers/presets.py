"""GET /presets: what ``preset`` of POST /process may be."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from models.presets import Preset
from service.app_keys import PRESETS
from service.http.responses import json_response
from service.openapi.endpoint import ResponseSpec, endpoint
from service.schemas import PresetBody, PresetsBody


@endpoint(
    "Service",
    "List the presets",
    responses={200: ResponseSpec("The presets, in the order of their file.", PresetsBody)},
    examples=("curl {url}/presets",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """List what ``preset`` of POST /process may be."""
    body: PresetsBody = {
        "presets": [_body(name, preset) for name, preset in request.app[PRESETS].items()]
    }
    return json_response(body, headers={"Cache-Control": "no-cache"})


def _body(name: str, preset: Preset) -> PresetBody:
    return cast("PresetBody", {"name": name, **preset.document()})
