"""Descriptions of JSON Schemas, as shown at /docs."""

from __future__ import annotations

from typing import Any

import pytest

from service.openapi.docs_page import describe, ref_names
from service.openapi.limits import format_bytes

EMAIL = {"type": "string", "anyOf": [{"format": "email"}, {"const": ""}], "maxLength": 9}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 255}, "whole number from 0 to 255"),
        ({"type": "integer", "maximum": 1_000_000}, "whole number to 1000000"),
        (
            {"type": "number", "minimum": 0.05, "exclusiveMaximum": 100},
            "number from 0.05 below 100",
        ),
        ({"type": "number"}, "number"),
        ({"type": "string", "enum": ["png", "webp", ""]}, "png, webp"),
        ({"type": "string", "pattern": "^a$", "examples": ["a"]}, "text, e.g. a"),
        ({"type": "string", "pattern": "^a$"}, "text that matches ^a$"),
        (EMAIL, "e-mail address"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "whole number or null"),
        ({"type": ["integer", "null"]}, "whole number or null"),
        (
            {"type": "array", "items": {"format": "binary", "type": "string"}, "maxItems": 3},
            "files, at most 3",
        ),
        ({"type": "array", "items": {"$ref": "#/components/schemas/A"}}, "list of A"),
        ({"const": 3}, "3"),
        ({}, "anything"),
    ],
)
def test_schemas_are_described(schema: Any, said: str) -> None:
    assert describe(schema) == said


def test_referenced_components_are_named() -> None:
    either = {"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}
    assert ref_names(either) == ["A", "B"]
    assert ref_names({"$ref": "#/components/schemas/A"}) == ["A"]
    assert ref_names({"type": "object"}) == []


def test_sizes_in_mib_or_bytes() -> None:
    assert [format_bytes(n) for n in (0, 8192, 32 * 2**20, 2**20 + 1)] == [
        "0 bytes",
        "8,192 bytes",
        "32 MiB",
        "1,048,577 bytes",
    ]
