"""JSON Schema of error responses (application/problem+json) and the list of error codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from models.error_members import MEMBERS, REFUSED, codes, meaning
from models.errors import AppError
from service.http.errors import STATUS
from service.openapi.endpoint import Schema

PROBLEM_JSON = "application/problem+json"


def problem_schema() -> Schema:
    """Return the schema of a problem document with all possible members."""
    text = {"type": "string"}
    standard = {
        "type": {**text, "pattern": "^urn:darkroom:error:[a-z_]+$"},
        "title": {**text, "description": "The reason phrase of the status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {**text, "description": "What is wrong, the limit, and what would pass."},
        "code": {
            **text,
            "pattern": "^[a-z_]+$",
            "description": "Stable error code; type ends with it.",
        },
        "error": {**text, "description": "The same as detail, for simple clients."},
    }
    members = {
        name: {**each.schema, "description": f"{each.meaning[0].upper()}{each.meaning[1:]}."}
        for name, each in {**MEMBERS, "refused": REFUSED}.items()
    }
    return {
        "type": "object",
        "description": "Error response (RFC 9457). The members beyond the standard ones depend on "
        "the code.",
        "properties": {**standard, **members},
        "required": list(standard),
    }


@dataclass(frozen=True)
class ErrorCode:
    """One error code, as listed at /docs and in docs/errors.md."""

    code: str
    status: int
    title: str
    meaning: str
    members: tuple[str, ...]


def error_codes() -> list[ErrorCode]:
    """Return the codes that can reach a client, sorted by status."""
    found = [
        ErrorCode(
            kind.code, STATUS[kind], HTTPStatus(STATUS[kind]).phrase, meaning(kind), kind.members
        )
        for kind in codes()
    ]
    return sorted(found, key=lambda each: (each.status, each.code))


def group_by_status(errors: Iterable[type[AppError]]) -> dict[int, list[type[AppError]]]:
    """Return ``errors`` grouped by HTTP status, without duplicates."""
    found: dict[int, list[type[AppError]]] = {}
    for kind in dict.fromkeys(errors):
        found.setdefault(STATUS[kind], []).append(kind)
    return dict(sorted(found.items()))


def describe_errors(kinds: Iterable[type[AppError]]) -> str:
    """Return the description of a status: each code and its meaning."""
    return "\n".join(f"- `{kind.code}`: {meaning(kind)}" for kind in kinds)


def codes_schema(kinds: Iterable[type[AppError]]) -> Schema:
    """Return the schema of a problem document with the codes of ``kinds``."""
    return {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"code": {"enum": [kind.code for kind in kinds]}},
    }
