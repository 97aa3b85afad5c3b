"""Templates of letters: text and HTML, the latter with everything escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def line(value: object) -> str:
    """Return ``value`` on one line, without characters that would rearrange it."""
    return _CONTROL.sub(" ", str(value))


_letters = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "letters"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_letters.filters["line"] = line


def render(kind: str, **values: Any) -> tuple[str, str]:
    """Return the text and the HTML of a letter."""
    text, html = (
        _letters.get_template(f"{kind}.{suffix}").render(**values) for suffix in ("txt", "html")
    )
    return text.strip() + "\n", html.strip() + "\n"
