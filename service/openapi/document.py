"""Build the OpenAPI 3.1 document from the routes and the declarations of their handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web
from openapi_pydantic import (
    Components,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    PathItem,
    RequestBody,
    Server,
    Tag,
)

from models import VERSION
from models.settings import Settings
from service.app_keys import SETTINGS
from service.openapi.endpoint import BodySpec, Endpoint, endpoint_of, unlisted_reason
from service.openapi.limits import upload_limits
from service.openapi.links import operation_id
from service.openapi.parameters import route_parameters
from service.openapi.problem_schema import problem_schema
from service.openapi.responses import build_responses
from service.openapi.schemas import SchemaRegistry, to_model
from service.openapi.security import SECURITY_SCHEMES, auth_errors, security_requirements

TAGS = {
    "Pictures": "Upload images to one operation, or to several in a row.",
    "Tasks": "Follow the progress of a task; cancel or retry it.",
    "Groups": "Several tasks together.",
    "Results": "Download, link to or delete the result files.",
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


class Route:
    """One method at one path."""

    def __init__(self, method: str, path: str, handler: Callable[..., Any]) -> None:
        self.method = method
        self.path = path
        self.handler = handler

    @property
    def path_parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"\{(\w+)\}", self.path)


def iter_routes(app: web.Application) -> Iterator[Route]:
    """Yield the routes of ``app`` except HEAD, which is GET without the body."""
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield Route(route.method, route.resource.canonical, route.handler)


def build_document(app: web.Application) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``app`` with its settings.

    Raises:
        LookupError: a handler has neither @endpoint nor @unlisted.
    """
    settings = app[SETTINGS]
    declared = _documented_routes(app)
    schemas = SchemaRegistry([each for _, each in declared], settings)
    paths: dict[str, dict[str, Operation]] = {}
    for route, endpoint in declared:
        operation = _operation(route, endpoint, schemas, settings)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    components = {"Problem": problem_schema(), **schemas.components}
    used_tags = {each.tag for _, each in declared}
    openapi = OpenAPI(
        openapi="3.1.1",
        jsonSchemaDialect="https://json-schema.org/draft/2020-12/schema",
        info=Info(
            title="Darkroom",
            version=VERSION,
            summary="A self-hosted image service",
            description=_DESCRIPTION.format(keys=_KEYS_TEXT if settings.api_keys_enabled else "")
            + "\n".join(
                f"- `{each.name}` = {each.value}: {each.reason}" for each in upload_limits(settings)
            ),
        ),
        servers=[Server(url="/")],
        tags=[Tag(name=name, description=TAGS.get(name)) for name in [*TAGS] if name in used_tags],
        paths={path: PathItem.model_validate(methods) for path, methods in paths.items()},
        components=Components(
            schemas={name: to_model(each) for name, each in components.items()},
            securitySchemes=SECURITY_SCHEMES,
        ),
    )
    dumped: dict[str, Any] = openapi.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    return dumped


def _documented_routes(app: web.Application) -> list[tuple[Route, Endpoint]]:
    found, undeclared = [], []
    for route in iter_routes(app):
        endpoint = endpoint_of(route.handler)
        if endpoint is not None:
            found.append((route, endpoint))
        elif not unlisted_reason(route.handler):
            undeclared.append(f"{route.method} {route.path} ({route.handler.__qualname__})")
    if undeclared:
        raise LookupError(
            f"{', '.join(undeclared)}: the handler is not declared; put @endpoint(...) or "
            "@unlisted('reason') of service.openapi.endpoint on it"
        )
    return found


def _operation(
    route: Route, endpoint: Endpoint, schemas: SchemaRegistry, settings: Settings
) -> Operation:
    extra = {}
    endpoint = replace(
        endpoint, errors=(*endpoint.errors, *auth_errors(route.method, route.path, settings))
    )
    if endpoint.examples:
        extra["x-codeSamples"] = [
            {"lang": "Shell", "label": "curl", "source": each.replace("{url}", settings.base_url)}
            for each in endpoint.examples
        ]
    return Operation(
        tags=[endpoint.tag],
        summary=endpoint.summary,
        description=endpoint.description or None,
        operationId=operation_id(route.method, route.path),
        parameters=route_parameters(route.path, route.path_parameters, endpoint, settings) or None,
        requestBody=_request_body(endpoint.body, schemas, settings) if endpoint.body else None,
        responses=build_responses(endpoint, schemas),
        security=security_requirements(route.method, route.path, settings),
        **extra,
    )


def _request_body(body: BodySpec, schemas: SchemaRegistry, settings: Settings) -> RequestBody:
    content = {}
    for media, kind in body.content.items():
        schema = schemas.schema(kind) if isinstance(kind, type) else to_model(kind(settings))
        content[media] = MediaType(media_type_schema=schema, example=body.example)
    return RequestBody(content=content, required=body.required)
