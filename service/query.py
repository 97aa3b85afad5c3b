"""Query parameters ?wait= and ?redirect=, Prefer: wait; unknown parameters are refused."""

from __future__ import annotations

import re

from aiohttp import web

from models.errors import BadParameter
from service.openapi.endpoint import Endpoint, declaration_of, parameter

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)
_ZERO_QUALITY = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

WAIT = {
    "wait": parameter(
        "Seconds to wait until all tasks have ended; at most {MAX_WAIT} (MAX_WAIT).",
        pattern=f"^{_SECONDS.pattern}$",
        examples=["30"],
    )
}
REDIRECT = {
    "redirect": parameter(
        "1: after success, redirect (303) to the image or archive; an Accept header with only "
        "images does the same.",
        enum=["0", "1"],
    )
}


def reject_unknown_query(request: web.Request) -> None:
    """Refuse query parameters that the handler does not declare: ignoring them would mislead.

    Raises:
        BadParameter: an unknown parameter.
    """
    declaration = declaration_of(request.match_info.handler)
    known = list(declaration.query) if isinstance(declaration, Endpoint) else []
    for name in request.query:
        if name not in known:
            raise BadParameter(
                f"unknown query parameter {name[:40]!a}; known: {', '.join(known)} "
                "(parameters of an operation are form fields)",
                parameter=name[:40],
                known=known,
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


def wants_image_redirect(request: web.Request) -> bool:
    """Tell whether to redirect to the image of a finished task.

    With ``redirect=1``, or an ``Accept`` with images and neither HTML nor JSON: browsers list
    images in the Accept header of every page load.
    """
    given = request.query.get("redirect")
    if given is not None:
        if given not in {"0", "1"}:
            raise BadParameter("redirect must be 0 or 1", parameter="redirect", known=["0", "1"])
        return given == "1"
    accept = request.headers.get("Accept", "")
    entries = [entry.lower().replace(" ", "").split(";") for entry in accept.split(",")]
    kinds = {kind for kind, *options in entries if not _ZERO_QUALITY & set(options)}
    return any(k.startswith("image/") for k in kinds) and not kinds & {
        "text/html",
        "application/json",
    }
