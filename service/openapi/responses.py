"""Answers of a route: what it declares, and the errors it may refuse with."""

from __future__ import annotations

from openapi_pydantic import Header, MediaType, Response

from models.errors import Internal
from service.openapi.endpoint import HTML, JSON, Answer, Call
from service.openapi.headers import ANSWERED
from service.openapi.links import links
from service.openapi.problem_schema import PROBLEM, by_status, described, refusal
from service.openapi.schemas import Schemas, model


def responses(said: Call, schemas: Schemas) -> dict[str, Response]:
    """Return all answers by status; a defect of ours may meet any route."""
    found = {str(status): _answer(each, schemas) for status, each in said.answers.items()}
    for status, kinds in by_status([*said.errors, Internal]).items():
        content = {PROBLEM: MediaType(media_type_schema=model(refusal(kinds)))}
        if said.pages:
            content[HTML] = MediaType()
        known = found.get(str(status))
        if known is not None:  # an answer of its own beside refusals, as GET /readyz has
            known.description += "\n" + described(kinds)
            known.content = {**(known.content or {}), **content}
            continue
        retry = ("Retry-After",) if status in {429, 503} else ()
        found[str(status)] = Response(
            description=described(kinds), content=content, headers=_headers(retry)
        )
    return dict(sorted(found.items()))


def _answer(said: Answer, schemas: Schemas) -> Response:
    content = {media: MediaType() for media in said.media}
    if said.body is not None:
        content[JSON] = MediaType(media_type_schema=schemas.of(said.body))
    return Response(
        description=said.description,
        content=content or None,
        headers=_headers(said.headers),
        links=links(said.body) or None,
    )


def _headers(names: tuple[str, ...]) -> dict[str, Header]:
    text = {"type": "string"}
    return {
        name: Header(description=ANSWERED[name], param_schema=model(text))
        for name in (*names, "X-Request-ID")
    }
