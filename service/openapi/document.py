"""The whole document: the application's routes with what their handlers declare, as OpenAPI 3.1."""

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
from service.openapi.endpoint import Body, Call, declared, why_unlisted
from service.openapi.limits import limits
from service.openapi.links import operation_id
from service.openapi.parameters import parameters
from service.openapi.problem_schema import problem_schema
from service.openapi.responses import responses
from service.openapi.schemas import Schemas, model
from service.openapi.security import SCHEMES, refusals, security

TAGS = {
    "Pictures": "Send pictures to an operation, or to several in a row.",
    "Tasks": "How far a picture is; cancel it, try it again.",
    "Groups": "The pictures of one submission together.",
    "Results": "The bytes.",
    "E-mail": "Results and the weekly letter, by e-mail.",
    "Older services": "Calls of five older services, answered as they were.",
    "Service": "What it can do and how it is.",
    "Dashboard": "What operators see and do, with ADMIN_TOKEN; without one from its machine only.",
}

_KEYS = """
Calls need a key, `Authorization: Bearer <key>`, but for a few that are open. Each key sees its \
own tasks, groups and results; what is another's does not exist to it.
"""

_ABOUT = """Send pictures, get tasks at once, fetch the results when they are done.

Every refusal is `application/problem+json` (RFC 9457) with a stable `code`, the limit, what was \
measured and what would pass. Asking twice costs nothing: the same bytes with the same parameters \
are the same task. A query parameter or field that means nothing is refused, not ignored.

Before any call is looked at: 421 `misdirected` where the Host header names another service, 431 \
`head_too_large`, 503 `too_many_connections`, and 400 for what is no good HTTP.
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
    def names(self) -> list[str]:
        """What stands in the path."""
        return re.findall(r"\{(\w+)\}", self.path)


def routes(app: web.Application) -> Iterator[Route]:
    """Yield the routes of ``app``; not HEAD, which answers as GET does, without the body."""
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield Route(route.method, route.resource.canonical, route.handler)


def document(app: web.Application) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``app``, as its settings have it.

    Raises:
        LookupError: the handler of a route declares nothing.
    """
    settings = app[SETTINGS]
    listed = _listed(app)
    schemas = Schemas([each for _, each in listed], settings)
    paths: dict[str, dict[str, Operation]] = {}
    for route, said in listed:
        operation = _operation(route, said, schemas, settings)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    components = {"Problem": problem_schema(), **schemas.components}
    used = {said.tag for _, said in listed}
    made = OpenAPI(
        openapi="3.1.1",
        jsonSchemaDialect="https://json-schema.org/draft/2020-12/schema",
        info=Info(
            title="Darkroom",
            version=VERSION,
            summary="A self-hosted image service",
            description=_ABOUT.format(keys=_KEYS if settings.keys_on else "")
            + "\n".join(
                f"- `{each.name}` = {each.value}: {each.reason}" for each in limits(settings)
            ),
        ),
        servers=[Server(url="/")],
        tags=[Tag(name=name, description=TAGS.get(name)) for name in [*TAGS] if name in used],
        paths={path: PathItem.model_validate(methods) for path, methods in paths.items()},
        components=Components(
            schemas={name: model(each) for name, each in components.items()},
            securitySchemes=SCHEMES,
        ),
    )
    dumped: dict[str, Any] = made.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    return dumped


def _listed(app: web.Application) -> list[tuple[Route, Call]]:
    found, silent = [], []
    for route in routes(app):
        said = declared(route.handler)
        if said is not None:
            found.append((route, said))
        elif not why_unlisted(route.handler):
            silent.append(f"{route.method} {route.path} ({route.handler.__qualname__})")
    if silent:
        raise LookupError(
            f"{', '.join(silent)}: the handler declares nothing; put @call(...), or "
            "@unlisted('why'), of service.openapi.endpoint before it"
        )
    return found


def _operation(route: Route, said: Call, schemas: Schemas, settings: Settings) -> Operation:
    extra = {}
    said = replace(said, errors=(*said.errors, *refusals(route.method, route.path, settings)))
    if said.examples:
        extra["x-codeSamples"] = [
            {"lang": "Shell", "label": "curl", "source": each.replace("{url}", settings.url)}
            for each in said.examples
        ]
    return Operation(
        tags=[said.tag],
        summary=said.summary,
        description=said.description or None,
        operationId=operation_id(route.method, route.path),
        parameters=parameters(route.path, route.names, said, settings) or None,
        requestBody=_body(said.body, schemas, settings) if said.body else None,
        responses=responses(said, schemas),
        security=security(route.method, route.path, settings),
        **extra,
    )


def _body(body: Body, schemas: Schemas, settings: Settings) -> RequestBody:
    content = {}
    for media, said in body.content.items():
        schema = schemas.of(said) if isinstance(said, type) else model(said(settings))
        content[media] = MediaType(media_type_schema=schema, example=body.example)
    return RequestBody(content=content, required=body.required)
