"""JSON Schemas in words, as /docs shows them."""

from __future__ import annotations

from typing import Any

import pytest

from service.openapi.limits import size
from service.openapi.schema_text import names_in, words

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
def test_words(schema: Any, said: str) -> None:
    assert words(schema) == said


def test_names_of_components() -> None:
    either = {"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}
    assert names_in(either) == ["A", "B"]
    assert names_in({"$ref": "#/components/schemas/A"}) == ["A"]
    assert names_in({"type": "object"}) == []


def test_sizes() -> None:
    assert [size(n) for n in (0, 8192, 32 * 2**20, 2**20 + 1)] == [
        "0 bytes",
        "8,192 bytes",
        "32 MiB",
        "1,048,577 bytes",
    ]
