"""How long a client wants to wait, and whether it wants the picture itself."""

from __future__ import annotations

import math
import re

from aiohttp import web

from models.errors import BadParameter

_PREFER = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])")


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
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BadParameter(
            f"wait={given[:20]!a} is no number of seconds; e.g. ?wait=30", parameter="wait"
        )
    return min(value, limit)


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
    kinds = {entry.split(";")[0].strip().lower() for entry in accept.split(",")}
    return any(k.startswith("image/") for k in kinds) and not kinds & {
        "text/html",
        "application/json",
    }
