"""The format of results: as the form names it, or as the request's Accept header does."""

from __future__ import annotations

from aiohttp import web

from models.errors import BadParameter
from models.images.inspect import FORMAT_BY_EXTENSION, MEDIA_TYPES, OutputFormat
from service.query import accepted_types

AUTO_FORMAT = "auto"
"""As a ``format``: the smallest that the request's Accept names, or that of the picture."""
_SMALLEST_FIRST: tuple[OutputFormat, ...] = ("avif", "webp")


def preferred_format(request: web.Request) -> OutputFormat | None:
    """Return the smallest format that the Accept header names; None: as sent, which all can show.

    ``*/*`` and ``image/*`` name none: a program that says nothing better gets what it sent.
    """
    named = accepted_types(request)
    return next((each for each in _SMALLEST_FIRST if MEDIA_TYPES[each] in named), None)


def read_format(value: str) -> OutputFormat:
    """Return the format that a form names.

    Raises:
        BadParameter: it is unknown.
    """
    known = FORMAT_BY_EXTENSION.get(value.lower())
    if known is None:
        raise BadParameter(
            f"format {value[:20]!a} is not supported; known: {', '.join(MEDIA_TYPES)}, auto",
            parameter="format",
            known=[*MEDIA_TYPES, AUTO_FORMAT],
        )
    return known
