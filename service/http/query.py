"""How long a client wants to wait, and whether it wants the picture itself."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.errors import BadParameter

_PREFER = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)
_NEVER = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

Seconds = Annotated[
    str,
    Field(
        pattern=f"^{_SECONDS.pattern}$",
        examples=["30"],
        description="Seconds to hold the answer until all has ended; cut to {MAX_WAIT} (MAX_WAIT).",
    ),
]


class Patience(TypedDict, total=False):
    """The query of what can only be waited for."""

    wait: Seconds


class Waiting(Patience, total=False):
    """The query of submissions, tasks and groups."""

    redirect: Annotated[
        Literal["0", "1"],
        Field(
            description="1: what succeeded is answered with 303 to its picture, or a group's to "
            "its archive; so is an Accept of images alone."
        ),
    ]


def only(request: web.Request, *known: str) -> None:
    """Refuse a query parameter that means nothing here: silently ignored it would mislead.

    Raises:
        BadParameter: there is one.
    """
    for name in request.query:
        if name not in known:
            raise BadParameter(
                f"unknown query parameter {name[:40]!a}; known: {', '.join(known)} "
                "(parameters of an operation are form fields)",
                parameter=name[:40],
                known=list(known),
            )


def seconds(request: web.Request, limit: float) -> float:
    """Return how long to hold the answer: ``?wait=SECONDS`` or ``Prefer: wait=SECONDS``, else 0.

    Longer than ``limit`` (MAX_WAIT) is cut to it, so that clients need not know it.

    Raises:
        BadParameter: no number, negative, or not finite.
    """
    given = request.query.get("wait")
    if given is None:
        preferred = _PREFER.search(request.headers.get("Prefer", ""))
        given = preferred.group(1) if preferred else "0"
    if not _SECONDS.fullmatch(given):
        raise BadParameter(
            f"wait={given[:20]!a} is no number of seconds; e.g. ?wait=30", parameter="wait"
        )
    return min(float(given), limit)


def wants_picture(request: web.Request) -> bool:
    """Tell whether a finished task is to be answered with the way to its picture.

    ``redirect=1``, or an ``Accept`` that names images and neither pages nor JSON: browsers list
    images in the Accept of every page they open.
    """
    given = request.query.get("redirect")
    if given is not None:
        if given not in {"0", "1"}:
            raise BadParameter("redirect takes 0 or 1", parameter="redirect", known=["0", "1"])
        return given == "1"
    accept = request.headers.get("Accept", "")
    entries = [entry.lower().replace(" ", "").split(";") for entry in accept.split(",")]
    kinds = {kind for kind, *options in entries if not _NEVER & set(options)}
    return any(k.startswith("image/") for k in kinds) and not kinds & {
        "text/html",
        "application/json",
    }
