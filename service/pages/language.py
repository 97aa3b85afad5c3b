"""The language of a page: as the switch of the page said, else as the browser asks."""

from __future__ import annotations

import re

from aiohttp import web

from service.auth.session import read_cookie
from service.pages.catalogue import CATALOGUES, DEFAULT_LANGUAGE, Catalogue

LANGUAGE_COOKIE = "darkroom_language"
"""Set by ``language.js``."""
LANGUAGE_VARY = "Accept-Language, Cookie"
"""The headers that the language of a page depends on."""
_RANGE = re.compile(  # RFC 9110, 12.4.2 and 12.5.4
    r"[ \t]*(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)
_MAX_RANGES = 50  # browsers send a handful


def language_of(request: web.Request) -> Catalogue:
    """Return the catalogue for ``request``: its cookie says it, or Accept-Language."""
    chosen = CATALOGUES.get(read_cookie(request, LANGUAGE_COOKIE))
    asked = ",".join(request.headers.getall("Accept-Language", ()))
    return chosen or CATALOGUES[preferred_language(asked)]


def preferred_language(header: str) -> str:
    """Return the language that an ``Accept-Language`` header prefers, of those that there are.

    A range counts for its language (``de-AT`` for ``de``), ``*`` for those that are not named. Of
    equal weights the one that is named first wins. English is for clients that accept none.
    Malformed ranges are passed over, and those after the fiftieth.
    """
    weights: dict[str, float] = {}
    for part in header.split(",", _MAX_RANGES)[:_MAX_RANGES]:
        if found := _RANGE.fullmatch(part):
            language = found["tag"].partition("-")[0].lower()
            weight = float(found["weight"] or 1)
            weights[language] = max(weight, weights.get(language, 0))
    others = weights.get("*", 0)
    named = [language for language in weights if language in CATALOGUES]
    candidates = [*named, *(language for language in CATALOGUES if language not in named)]
    best = max(candidates, key=lambda language: weights.get(language, others))
    return best if weights.get(best, others) else DEFAULT_LANGUAGE
