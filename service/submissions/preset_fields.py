"""The field ``preset`` of a submission: it becomes the fields that the preset says."""

from __future__ import annotations

from aiohttp import web
from multidict import MultiDict

from models.errors import BadParameter
from models.presets import Preset, is_name
from service.app_keys import PRESETS, STORE
from service.auth.identity import identity

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
    preset = await _find(request, name)
    for field, value in preset.fields().items():
        if not fields.get(field):
            fields[field] = value


async def _find(request: web.Request, name: str) -> Preset:
    """Return the preset of the request's key, else that of PRESETS_FILE."""
    ours, owner = request.app[PRESETS], identity(request).owner
    if owner and is_name(name):
        text = await request.app[STORE].presets.get(owner, name)
        if text is not None:
            return Preset.model_validate_json(text)
    if name in ours:
        return ours[name]
    own = list(await request.app[STORE].presets.all(owner)) if owner else []
    known = list(dict.fromkeys([*own, *ours]))[:_MAX_NAMED]
    shown = ", ".join(known) or "none, since PRESETS_FILE is empty"
    raise BadParameter(
        f"there is no preset {name[:40]!a}; known: {shown}", parameter=PRESET, known=known
    )
