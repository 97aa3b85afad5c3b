"""Generate docs/settings.md from the settings classes."""

from __future__ import annotations

from models.settings import GROUPS


def settings_page() -> str:
    """Return the page: a table for each section of ``env_example``."""
    lines = [
        "# Settings",
        "",
        "Each is a variable of the environment, of `make run NAME=value`, or of a file `.env` in",
        "the folder where the programs start. A value that its setting does not take stops the",
        "start and says why; a name of older versions is logged, other names are ignored. To copy:",
        "[env_example](../env_example).",
    ]
    for section in GROUPS.values():
        title = (section.__doc__ or "").strip().splitlines()[0].rstrip(".")
        lines += ["", f"## {title}", "", "| variable | default | what it is |", "|---|---|---|"]
        for name, field in section.model_fields.items():
            default = "" if field.default is None else str(field.default)
            shown = f"`{default}`" if default.strip("*") else "empty"
            text = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{name.upper()}` | {shown} | {text} |")
    return "\n".join(
        [*lines, "", "<sub>Written by `python -m docs` from `models/settings/`.</sub>", ""]
    )
