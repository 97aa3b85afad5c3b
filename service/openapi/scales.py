"""The scales that upscale has networks for, in place of all that a spec could allow."""

from __future__ import annotations

from typing import Any

from models.networks.catalogue import Catalogue


def with_scales(said: Any, catalogue: Catalogue) -> Any:
    """Return a JSON document whose schemas of upscale's ``scale`` list what ``catalogue`` has."""
    scales = sorted({each.scale for each in catalogue.available() if each.scale > 1})
    return _with_enum(said, scales) if scales else said


def _with_enum(said: Any, scales: list[int]) -> Any:
    if isinstance(said, list):
        return [_with_enum(each, scales) for each in said]
    if not isinstance(said, dict):
        return said
    made = {name: _with_enum(each, scales) for name, each in said.items()}
    if made.get("title") == "Scale" and made.get("type") == "integer":
        rest = {key: value for key, value in made.items() if key not in {"minimum", "maximum"}}
        return {**rest, "enum": scales}
    return made
