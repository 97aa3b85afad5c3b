"""Generate the names of the settings in the schema of the Helm chart's values."""

from __future__ import annotations

import json
from typing import Any

from models.settings import FIELDS


def values_schema(written: str) -> str:
    """Return the schema ``written`` with all settings, and no others, in `config` and `secrets`."""
    schema: dict[str, Any] = json.loads(written)
    for part in ("config", "secrets"):
        values = schema["properties"][part]
        values["additionalProperties"] = False
        values["properties"] = {
            name.upper(): {"$ref": f"#/definitions/{part}"} for name in sorted(FIELDS)
        }
    return json.dumps(schema, indent=2) + "\n"
