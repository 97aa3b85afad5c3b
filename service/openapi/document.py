"""The OpenAPI 3.1 document, made from the routes and the declarations of their handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from models import VERSION
from models.settings import Settings
from models.tasks.task import Status
from service.app_keys import CATALOGUE, SETTINGS
from service.auth.permissions import PERMISSIONS
from service.openapi.endpoint import Endpoint, Schema, declaration_of
from service.openapi.limits import upload_limits
from service.openapi.operation import Route, build_operation
from service.openapi.problem_schema import problem_schema
from service.openapi.scales import with_scales
from service.openapi.security import SECURITY_SCHEMES

TAGS = {
    "Pictures": "Upload images to one operation, or to several in a row.",
    "Tasks": "Follow the progress of a task; cancel or retry it.",
    "Groups": "Several tasks together.",
    "Results": "Download, link to or delete the result files.",
    "Presets": "Operations and options of POST /process under a name.",
    "E-mail": "Results and the weekly newsletter by e-mail.",
    "Older services": "Routes of five older services, which answer as those did.",
    "Service": "Operations, health, metrics and this document.",
    "Dashboard": "For operators: a key with the scope admin, or without API keys this machine.",
}

_KEYS_TEXT = """
Most calls need an API key: `Authorization: Bearer <key>`. A key sees only its own tasks, groups \
and results; those of other keys are answered with 404.
"""

_DESCRIPTION = """Upload images, get tasks at once, download the results when they are done.

Errors are `application/problem+json` (RFC 9457) with a stable `code`, the limit, the measured \
value and what would pass. The same bytes with the same parameters are the same task, so sending \
them twice costs nothing. Unknown query parameters and form fields are errors.

Any route may also answer 421 `misdirected` (the Host header names another host), 431 \
`head_too_large`, 503 `too_many_connections`, and 400 for malformed HTTP.
{keys}
Limits of this service:

"""


class OpenApiDocument:
    """The document of one application, built and serialized on first use: it takes a while."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    @cached_property
    def document(self) -> Schema:
        return build_document(self._app)

    @cached_property
    def body(self) -> bytes:
        """The document as JSON in UTF-8."""
        return (json.dumps(self.document, ensure_ascii=False) + "\n").encode()


OPENAPI = web.AppKey("openapi", OpenApiDocument)


def iter_routes(app: web.Application) -> Iterator[Route]:
    """Yield the routes of ``app`` except HEAD, which is GET without the body."""
    for route, permission in app[PERMISSIONS].items():
        if route.resource is not None and route.method != "HEAD":
            yield Route(route.method, route.resource.canonical, route.handler, permission)


def build_document(app: web.Application) -> Schema:
    """Return the document of ``app`` with its settings.

    Raises:
        LookupError: a handler has neither @endpoint nor @unlisted.
    """
    settings = app[SETTINGS]
    declared = _documented_routes(app)
    endpoints = [each for _, each in declared]
    schemas, components = _schemas(endpoints, settings)
    paths: dict[str, Schema] = {}
    for route, endpoint in declared:
        operation = build_operation(route, endpoint, schemas, settings)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    paths = with_scales(paths, app[CATALOGUE])
    limits = [
        f"- `{each.name}` = {each.value}: {each.reason}" for each in upload_limits(settings.uploads)
    ]
    description = _DESCRIPTION.format(keys=_KEYS_TEXT if settings.api_keys_enabled else "")
    used_tags = {each.tag for each in endpoints}
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Darkroom",
            "version": VERSION,
            "summary": "A self-hosted image service",
            "description": description + "\n".join(limits),
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": text} for name, text in TAGS.items() if name in used_tags
        ],
        "paths": paths,
        "components": {
            "schemas": {"Problem": problem_schema(), **components},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _documented_routes(app: web.Application) -> list[tuple[Route, Endpoint]]:
    found, undeclared = [], []
    for route in iter_routes(app):
        declaration = declaration_of(route.handler)
        if isinstance(declaration, Endpoint):
            found.append((route, declaration))
        elif declaration is None:
            undeclared.append(f"{route.method} {route.path} ({route.handler.__qualname__})")
    if undeclared:
        raise LookupError(
            f"{', '.join(undeclared)}: the handler is not declared; put @endpoint(...) or "
            "@unlisted('reason') of service.openapi.endpoint on it"
        )
    return found


def _schemas(
    endpoints: Sequence[Endpoint], settings: Settings
) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """Return the schemas of all types that ``endpoints`` declare, and the components they name."""
    types = dict.fromkeys(kind for endpoint in endpoints for kind in endpoint.body_types)
    made, rest = TypeAdapter.json_schemas(
        [(kind, "serialization", TypeAdapter(kind)) for kind in types],
        ref_template="#/components/schemas/{model}",
    )
    components: dict[str, Schema] = rest.get("$defs", {})
    if settings.http.legacy_status:  # ``service.task_response`` then writes PENDING
        names = components[Status.__name__]["enum"]
        names[names.index(Status.STARTED)] = "PENDING"
    return {kind: schema for (kind, _), schema in made.items()}, components
