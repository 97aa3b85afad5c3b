"""Refusals in the document: one problem document, and at each status of a route its codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from models.error_members import MEMBERS, REFUSED, codes, meaning
from models.errors import AppError
from service.http.errors import STATUS
from service.openapi.endpoint import Schema

PROBLEM = "application/problem+json"


def problem_schema() -> Schema:
    """Return the schema of a problem document with all members there are."""
    text = {"type": "string"}
    standard = {
        "type": {**text, "pattern": "^urn:darkroom:error:[a-z_]+$"},
        "title": {**text, "description": "The phrase of the status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {**text, "description": "A sentence that helps: the limit, and what would pass."},
        "code": {**text, "pattern": "^[a-z_]+$", "description": "Stable; type ends in it."},
        "error": {**text, "description": "The same as detail, for plain clients."},
    }
    members = {
        name: {**each.schema, "description": f"{each.meaning[0].upper()}{each.meaning[1:]}."}
        for name, each in {**MEMBERS, "refused": REFUSED}.items()
    }
    return {
        "type": "object",
        "description": "RFC 9457. Which members there are beside the standard ones depends on the "
        "code.",
        "properties": {**standard, **members},
        "required": list(standard),
    }


@dataclass(frozen=True)
class Code:
    """One code of the list of error codes."""

    code: str
    status: int
    title: str
    meaning: str
    members: tuple[str, ...]


def listed() -> list[Code]:
    """Return the codes that can reach a client, by their status."""
    found = [
        Code(kind.code, STATUS[kind], HTTPStatus(STATUS[kind]).phrase, meaning(kind), kind.members)
        for kind in codes()
    ]
    return sorted(found, key=lambda each: (each.status, each.code))


def by_status(errors: Iterable[type[AppError]]) -> dict[int, list[type[AppError]]]:
    """Return ``errors`` by the status they are answered with, each once."""
    found: dict[int, list[type[AppError]]] = {}
    for kind in dict.fromkeys(errors):
        found.setdefault(STATUS[kind], []).append(kind)
    return dict(sorted(found.items()))


def described(kinds: Iterable[type[AppError]]) -> str:
    """Return the text of a status: each code and when it comes."""
    return "\n".join(f"- `{kind.code}`: {meaning(kind)}" for kind in kinds)


def refusal(kinds: Iterable[type[AppError]]) -> Schema:
    """Return the schema of a problem document with one of the codes of ``kinds``."""
    return {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"code": {"enum": [kind.code for kind in kinds]}},
    }
