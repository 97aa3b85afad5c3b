"""OpenAPI responses of an endpoint: the declared ones and its errors."""

from __future__ import annotations

from openapi_pydantic import Header, MediaType, Response

from models.errors import InternalError
from service.openapi.endpoint import HTML, JSON, Endpoint, ResponseSpec
from service.openapi.headers import RESPONSE_HEADERS
from service.openapi.links import response_links
from service.openapi.problem_schema import (
    PROBLEM_JSON,
    codes_schema,
    describe_errors,
    group_by_status,
)
from service.openapi.schemas import SchemaRegistry, to_model


def build_responses(endpoint: Endpoint, schemas: SchemaRegistry) -> dict[str, Response]:
    """Return all responses by status; any endpoint may answer 500."""
    found = {str(status): _response(each, schemas) for status, each in endpoint.responses.items()}
    for status, error_types in group_by_status([*endpoint.errors, InternalError]).items():
        content = {PROBLEM_JSON: MediaType(media_type_schema=to_model(codes_schema(error_types)))}
        if endpoint.html_errors:
            content[HTML] = MediaType()
        known = found.get(str(status))
        if known is not None:  # the status is declared and an error, as 503 of GET /readyz
            known.description += "\n" + describe_errors(error_types)
            known.content = {**(known.content or {}), **content}
            continue
        retry = ("Retry-After",) if status in {429, 503} else ()
        found[str(status)] = Response(
            description=describe_errors(error_types), content=content, headers=_headers(retry)
        )
    return dict(sorted(found.items()))


def _response(spec: ResponseSpec, schemas: SchemaRegistry) -> Response:
    content = {media: MediaType() for media in spec.media}
    if spec.body is not None:
        content[JSON] = MediaType(media_type_schema=schemas.schema(spec.body))
    return Response(
        description=spec.description,
        content=content or None,
        headers=_headers(spec.headers),
        links=response_links(spec.body) or None,
    )


def _headers(names: tuple[str, ...]) -> dict[str, Header]:
    text = {"type": "string"}
    return {
        name: Header(description=RESPONSE_HEADERS[name], param_schema=to_model(text))
        for name in (*names, "X-Request-ID")
    }
