"""Presets: GET /presets lists them; PUT and DELETE /presets/<name> change those of an API key."""

from __future__ import annotations

import json
from typing import Any, cast

from aiohttp import web

from models.errors import BadParameter, NotFound, TooLarge
from models.presets import Preset, check_name, parse_preset
from models.store.presets import MAX_PRESETS
from service.app_keys import CATALOGUE, PRESETS, SETTINGS, STORE
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import identity
from service.http.request_body import parse_json, read_body
from service.http.responses import json_response
from service.openapi.endpoint import JSON, BodySpec, ResponseSpec, endpoint
from service.openapi.error_groups import FORM_ERRORS, STORE_ERRORS
from service.schemas import PresetBody, PresetsBody, StatusBody

_MAX_BYTES = 10_000  # of one preset: twenty operations with all their parameters take some 3000


@endpoint(
    "Presets",
    "List the presets",
    responses={200: ResponseSpec("Those of the key, then those of the service.", PresetsBody)},
    errors=STORE_ERRORS,
    examples=("curl {url}/presets",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """List what ``preset`` of POST /process may be."""
    owner = identity(request).owner
    own = await request.app[STORE].presets.all(owner) if owner else {}
    listed = [_body(name, json.loads(text), own=True) for name, text in own.items()]
    for name, preset in request.app[PRESETS].items():
        if name not in own:
            listed.append(_body(name, preset.document(), own=False))
    body: PresetsBody = {"presets": listed}
    return json_response(body, headers={"Cache-Control": "private, no-cache"})


@endpoint(
    "Presets",
    "Store a preset of the key",
    description="In place of one of the same name. It is for requests with this key, and counts "
    "before one of the service's that has its name.",
    body=BodySpec({JSON: Preset}, example={"operations": ["smartcrop=1:1"], "format": "webp"}),
    responses={200: ResponseSpec("The preset as it is stored.", PresetBody)},
    errors=(NotFound, *FORM_ERRORS, *STORE_ERRORS),
    examples=("""curl -X PUT -d '{"operations": ["smartcrop=1:1"]}' {url}/presets/shop-photo""",),
)
async def put(request: web.Request) -> web.StreamResponse:
    """PUT /presets/<name>: store a preset of the key.

    Raises:
        NotFound: the request has no key. BadRequest, BadParameter: it is no preset, or one too
            many. TooLarge: it is too long.
    """
    owner, name = _owner(request), request.match_info["name"]
    settings = request.app[SETTINGS]
    document = parse_json(await read_body(request, settings.uploads))
    await request.app[AUTHENTICATOR].revalidate(request)
    preset = parse_preset(name, document, settings.uploads, request.app[CATALOGUE])
    stored = preset.document()
    text = json.dumps(stored)
    if len(text) > _MAX_BYTES:
        raise TooLarge(
            f"the preset takes {len(text)} bytes; at most {_MAX_BYTES} pass",
            limit=_MAX_BYTES,
            measured=len(text),
        )
    if not await request.app[STORE].presets.put(owner, name, text):
        raise BadParameter(
            f"this key has {MAX_PRESETS} presets already; delete one first", limit=MAX_PRESETS
        )
    return json_response(_body(name, stored, own=True))


@endpoint(
    "Presets",
    "Delete a preset of the key",
    description="One of the service's that has its name counts again.",
    responses={200: ResponseSpec("It is deleted.", StatusBody)},
    errors=(NotFound, BadParameter, *STORE_ERRORS),
    examples=("curl -X DELETE {url}/presets/shop-photo",),
)
async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE /presets/<name>: delete a preset of the key; tasks made with it stay.

    Raises:
        NotFound: the key has none of that name, or the request has no key.
    """
    owner, name = _owner(request), request.match_info["name"]
    check_name(name)
    if not await request.app[STORE].presets.delete(owner, name):
        raise NotFound(f"this key has no preset {name!a}")
    body: StatusBody = {"status": "deleted", "detail": f"the preset {name} is deleted"}
    return json_response(body)


def _owner(request: web.Request) -> str:
    """Return whose presets the request may change; NotFound without an API key."""
    if owner := identity(request).owner:
        return owner
    raise NotFound(
        "presets of your own need an API key, while API_KEYS is on; without one the operator "
        "writes presets into PRESETS_FILE",
        setting="API_KEYS",
    )


def _body(name: str, document: dict[str, Any], *, own: bool) -> PresetBody:
    return cast("PresetBody", {"name": name, "own": own, **document})
