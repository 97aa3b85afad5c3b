"""Render the Jinja templates of e-mails: text and HTML, the HTML autoescaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def single_line(value: object) -> str:
    """Return ``value`` on one line, without control and bidirectional formatting characters."""
    return _CONTROL_CHARACTERS.sub(" ", str(value))


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["single_line"] = single_line


def render(kind: str, **values: Any) -> tuple[str, str]:
    """Return the text and the HTML of an e-mail."""
    text, html = (
        _templates.get_template(f"{kind}.{suffix}").render(**values) for suffix in ("txt", "html")
    )
    return text.strip() + "\n", html.strip() + "\n"
