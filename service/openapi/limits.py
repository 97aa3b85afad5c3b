"""What may come in at most, as the settings have it."""

from __future__ import annotations

from dataclasses import dataclass

from models.settings import Settings
from models.settings.uploads import Intake

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limit:
    """One setting: its name in the environment, its value and its reason."""

    name: str
    value: str
    reason: str


def limits(settings: Settings) -> list[Limit]:
    """Return the limits of what comes in."""
    return [
        Limit(name.upper(), _value(name, getattr(settings, name)), field.description or "")
        for name, field in Intake.model_fields.items()
    ]


def size(count: int) -> str:
    """Return a number of bytes, in MiB where it is a whole number of them."""
    return f"{count:,} bytes" if count % _MIB or not count else f"{count // _MIB:,} MiB"


def _value(name: str, value: float) -> str:
    if isinstance(value, int) and name.endswith(("_bytes", "_disk")):
        return size(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
