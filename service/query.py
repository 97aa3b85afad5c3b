"""Query parameters ?wait= and ?redirect=, Prefer: wait, Accept; unknown parameters are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from models.animation import read_frames
from models.errors import BadParameter
from models.images.inspect import ANIMATED_FORMATS, MEDIA_TYPES, RESULT_FORMATS, OutputFormat
from service.auth.identity import identity
from service.http.request_body import is_picture
from service.openapi.endpoint import Endpoint, declaration_of, parameter
from service.pages.render import error_page, wants_page

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)
_ZERO_QUALITY = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

WAIT = {
    "wait": parameter(
        "Seconds to wait until all tasks have ended; at most {MAX_WAIT} (MAX_WAIT).",
        type="number",
        minimum=0,
        examples=[30],
    )
}
REDIRECT = {
    "redirect": parameter(
        "1: after success, redirect (303) to the image or archive; an Accept header with only "
        "images does the same.",
        enum=["0", "1"],
    )
}
WAITING = frozenset({*WAIT, *REDIRECT})
"""Parameters of a submission's query that say how it is answered."""


AUTO_FORMAT = "auto"
"""As a ``format``: the smallest that the request's Accept names, or that of the picture."""
_SMALLEST_FIRST: tuple[OutputFormat, ...] = ("avif", "webp")


@web.middleware
async def declaration_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: hold what the handler declares of its query, and of errors as HTML.

    Raises:
        BadParameter: a parameter that is not declared; ignoring it would mislead.
    """
    declaration = declaration_of(request.match_info.handler)
    if not isinstance(declaration, Endpoint):
        return await handler(request)
    try:
        # The query of a link is checked with its signature.
        theirs = declaration.any_query or (declaration.picture_query and is_picture(request))
        if not theirs and identity(request).means != "link":
            _reject_unknown(request, declaration)
        return await handler(request)
    except BadParameter as error:
        page_only = not declaration.body_types
        if not declaration.html_errors or not (page_only or wants_page(request)):
            raise
        return error_page(request, "notice.bad_link", error)


def _reject_unknown(request: web.Request, declaration: Endpoint) -> None:
    for name in request.query:
        if name not in declaration.query:
            raise BadParameter(
                f"unknown query parameter {name[:40]!a}; known: {', '.join(declaration.query)} "
                "(parameters of an operation are form fields)",
                parameter=name[:40],
                known=list(declaration.query),
            )


def wait_seconds(request: web.Request, limit: float) -> float:
    """Return the seconds to wait: ``?wait=SECONDS`` or ``Prefer: wait=SECONDS``, else 0.

    Values above ``limit`` (MAX_WAIT) are reduced to it, so that clients need not know it.

    Raises:
        BadParameter: not a finite number of at least 0.
    """
    given = request.query.get("wait")
    if given is None:
        preferred = _PREFER_WAIT.search(request.headers.get("Prefer", ""))
        given = preferred.group(1) if preferred else "0"
    if not _SECONDS.fullmatch(given):
        raise BadParameter(
            f"wait={given[:20]!a} is not a number of seconds; e.g. ?wait=30", parameter="wait"
        )
    return min(float(given), limit)


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """Return whether the parameter ``name`` is 1; missing: 0.

    Raises:
        BadParameter: neither 0 nor 1.
    """
    given = parameters.get(name, "0")
    if given not in {"0", "1"}:
        raise BadParameter(
            f"{name} is 1 or 0, not {given[:20]!a}", parameter=name, known=["0", "1"]
        )
    return given == "1"


def accepted_types(request: web.Request) -> set[str]:
    """Return the media types in the Accept header, in lower case, without those of quality 0."""
    accept = request.headers.get("Accept", "")
    entries = [entry.lower().replace(" ", "").split(";") for entry in accept.split(",")]
    return {kind for kind, *options in entries if not _ZERO_QUALITY & set(options)}


def wants_image_redirect(request: web.Request) -> bool:
    """Tell whether to redirect to the image of a finished task.

    With ``redirect=1``, or an ``Accept`` with images and neither HTML nor JSON: browsers list
    images in the Accept header of every page load.
    """
    if "redirect" in request.query:
        return flag(request.query, "redirect")
    kinds = accepted_types(request)
    return any(k.startswith("image/") for k in kinds) and not kinds & {
        "text/html",
        "application/json",
    }


def preferred_format(request: web.Request, frames: str = "") -> OutputFormat | None:
    """Return the smallest format that the Accept header names; None: as sent, which all can show.

    ``frames``: as sent; all: of the formats that hold an animation. ``*/*`` and ``image/*`` name
    none: a program that says nothing better gets what it sent.
    """
    named = accepted_types(request)
    animated = read_frames(frames) == "all"
    kinds = [each for each in _SMALLEST_FIRST if each in ANIMATED_FORMATS or not animated]
    return next((each for each in kinds if MEDIA_TYPES[each] in named), None)


def read_format(value: str) -> OutputFormat:
    """Return the format that a form names.

    Raises:
        BadParameter: it is unknown.
    """
    known = RESULT_FORMATS.get(value.lower())
    if known is None:
        raise BadParameter(
            f"format {value[:20]!a} is not supported; known: {', '.join(MEDIA_TYPES)}, auto",
            parameter="format",
            known=[*MEDIA_TYPES, AUTO_FORMAT],
        )
    return known
