"""Render HTML pages from Jinja templates, with Content-Security-Policy headers."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from models.errors import AppError
from service.http.errors import error_response
from service.pages.catalogue import CATALOGUES, DEFAULT_LANGUAGE, Catalogue
from service.pages.language import LANGUAGE_VARY, language_of
from service.pages.static_files import imported_by

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "notice.css").read_text()
_templates = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
)
_templates.globals["imported_by"] = imported_by
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_COMMON_HEADERS = {
    # The URL may carry a token, so it must not be sent to other sites. "no-referrer" would not do:
    # browsers then send the page's form with Origin: null, as sandboxed frames of other sites do.
    "Referrer-Policy": "strict-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
# No scripts, images or frames; only the page's own form and inline style.
_STANDALONE_CSP = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Scripts, styles and the manifest from /static only; images from this site or of the page (blob:).
_LAYOUT_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def notice_page(
    language: Catalogue,
    title: str,
    detail: str,
    *,
    detail_language: str = "",
    button: str = "",
    one_click: bool = False,
) -> web.Response:
    """Return a page without scripts: a title, a text, and a form with one button, if named.

    ``detail_language``: of the text, if it is another one; ``one_click``: the form of RFC 8058.
    """
    values = {"title": title, "detail": detail, "button": button, "one_click": one_click}
    return _page(
        "notice.html",
        language,
        _STANDALONE_CSP,
        style=_STYLE,
        detail_language=detail_language or language.code,
        **values,
    )


def error_page(request: web.Request, title: str, error: AppError) -> web.Response:
    """Return a notice of ``error``; ``title``: the id of a text."""
    language = language_of(request)
    detail, detail_language = language.error(error)
    if detail_language == DEFAULT_LANGUAGE:  # a sentence of the API
        detail = f"{detail[0].upper()}{detail[1:]}."
    page = notice_page(language, language(title), detail, detail_language=detail_language)
    return with_error(page, error)


def layout_page(request: web.Request, template: str, path: str, **values: Any) -> web.Response:
    """Return a page that extends layout.html, with scripts from /static; values are escaped.

    ``path``: the path of the page, marked in the navigation.
    """
    language = language_of(request)
    shown = _page(
        template,
        language,
        _LAYOUT_CSP,
        path=path,
        languages=CATALOGUES.values(),
        **values,
    )
    shown.headers["Referrer-Policy"] = "same-origin"  # its URL holds no token
    return shown


def with_error(page: web.Response, error: AppError) -> web.Response:
    """Return ``page`` with the status and the headers of the response for ``error``."""
    response = error_response(error)
    page.set_status(response.status)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def redirect_after_form(location: str) -> web.Response:
    """Redirect a browser with 303 after a form."""
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def _page(template: str, language: Catalogue, policy: str, **values: Any) -> web.Response:
    text = _templates.get_template(template).render(t=language, language=language, **values)
    said = {"Content-Language": language.code, "Vary": LANGUAGE_VARY}
    headers = {**_COMMON_HEADERS, **said, "Content-Security-Policy": policy}
    return web.Response(text=text, content_type="text/html", headers=headers)


def wants_page(request: web.Request) -> bool:
    """Return whether the client is a browser that wants HTML; programs get JSON."""
    return "text/html" in request.headers.get("Accept", "")
