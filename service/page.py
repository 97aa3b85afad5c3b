"""HTML pages: escaped, without scripts, and told to browsers to be so; for programs JSON."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_FOLDER = Path(__file__).parent / "pages"
_STYLE = (_FOLDER / "plain.css").read_text()
_pages = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    # Nothing is loaded, nothing runs, nobody frames it; only its own form and this one style.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the page's address carries a token
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


def page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a page made of ``service/pages/<template>``; all values are escaped."""
    text = _pages.get_template(template).render(style=_STYLE, **values)
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def wants_page(request: web.Request) -> bool:
    """Tell whether a person's browser asks: programs get JSON."""
    return "text/html" in request.headers.get("Accept", "")
