"""HTML pages: escaped, with nothing in them but what is ours, and browsers told so."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from models.errors import AppError
from service.http.errors import answer

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "plain.css").read_text()
_pages = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ALWAYS = {
    # The page's address may carry a token, and no address is told. Without any referrer browsers
    # say Origin: null, as strangers' frames do, when the page's form is sent.
    "Referrer-Policy": "strict-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
# Nothing is loaded, nothing runs, nobody frames it; only its own form and this one style.
_STILL = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Only our own files, and pictures that the page itself has in hand; no inline script or style.
_LIVE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a still page made of ``service/pages/<template>``; all values are escaped."""
    text = _pages.get_template(template).render(style=_STYLE, **values)
    return _response(text, status, _STILL)


def live_page(template: str, here: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a page that extends live.html, with scripts from /static; all values are escaped.

    ``here``: the path of the page, marked in the header.
    """
    shown = _response(_pages.get_template(template).render(here=here, **values), status, _LIVE)
    shown.headers["Referrer-Policy"] = "same-origin"  # its address is no secret
    return shown


def login_page(
    template: str, here: str, error: AppError | None = None, **values: Any
) -> web.Response:
    """Return a live page that asks for a secret; ``error``: why the last one did not do."""
    refusal = answer(error) if error else None
    page = live_page(
        template,
        here,
        status=refusal.status if refusal else 200,
        problem=error.detail if error else "",
        **values,
    )
    for name in ("Retry-After", "WWW-Authenticate"):
        if refusal is not None and name in refusal.headers:
            page.headers[name] = refusal.headers[name]
    return page


def see_other(where: str) -> web.Response:
    """Send a browser on after a form."""
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


def _response(text: str, status: int, policy: str) -> web.Response:
    headers = {**_ALWAYS, "Content-Security-Policy": policy}
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def wants_page(request: web.Request) -> bool:
    """Tell whether a person's browser asks: programs get JSON."""
    return "text/html" in request.headers.get("Accept", "")
