"""JSON Schema of error responses (application/problem+json) and the list of error codes."""

from __future__ import annotations

from models.error_members import MEMBERS, REFUSED, codes
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


def error_codes() -> list[type[AppError]]:
    """Return the errors that can reach a client, sorted by status."""
    return sorted(codes(), key=lambda kind: (STATUS[kind], kind.code))
