"""The field ``preset`` of a submission: it becomes the fields that the preset says."""

from __future__ import annotations

from aiohttp import web
from multidict import MultiDict

from models.errors import BadParameter
from service.app_keys import PRESETS

PRESET = "preset"
OPERATIONS_FIELDS = ("operations", "operations[]")
_MAX_NAMED = 50  # presets in an error


async def expand_preset(request: web.Request, fields: MultiDict[str]) -> None:
    """Replace the field PRESET by those that it says; an option sent beside it counts.

    An empty field counts as not sent: forms send their empty inputs.

    Raises:
        BadParameter: there is no such preset, or operations were sent beside it.
    """
    name = fields.pop(PRESET, "")
    if not name:
        return
    if any(value.strip() for each in OPERATIONS_FIELDS for value in fields.getall(each, [])):
        raise BadParameter(
            f"the preset {name[:40]!a} has operations of its own: send one of both",
            parameter=PRESET,
        )
    presets = request.app[PRESETS]
    if name not in presets:
        known = list(presets)[:_MAX_NAMED]
        shown = ", ".join(known) or "none, since PRESETS_FILE is empty"
        raise BadParameter(
            f"there is no preset {name[:40]!a}; known: {shown}", parameter=PRESET, known=known
        )
    for field, value in presets[name].fields().items():
        if not fields.get(field):
            fields[field] = value
