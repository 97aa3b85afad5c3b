"""Upload limits from the settings, shown in the OpenAPI document and at /docs."""

from __future__ import annotations

from dataclasses import dataclass

from models.settings.uploads import UploadSettings

_MIB_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Limit:
    """One limit: the setting's name in the environment, its value and its reason."""

    name: str
    value: str
    reason: str


def upload_limits(settings: UploadSettings) -> list[Limit]:
    """Return the limits on uploads."""
    return [
        Limit(
            name.upper(),
            _format_value(name, getattr(settings, name)),
            field.description or "",
        )
        for name, field in UploadSettings.model_fields.items()
    ]


def format_bytes(count: int) -> str:
    """Return a size as text: whole MiB where possible, else bytes."""
    return f"{count:,} bytes" if count % _MIB_BYTES or not count else f"{count // _MIB_BYTES:,} MiB"


def _format_value(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value.replace(",", ", ")
    if isinstance(value, int) and name.endswith("_bytes"):
        return format_bytes(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
