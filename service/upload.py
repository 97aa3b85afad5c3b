"""Pictures from a stranger: arrived whole, judged by their bytes, in temporary files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from models.errors import AppError, BadRequest
from models.image import Header, check_pixels, inspect
from models.names import safe
from models.settings import Settings
from service.arrival import Arrival
from service.form import Shape, read_form
from service.spool import Spool, Window


@dataclass
class Upload:
    """A picture that arrived whole; ``file`` goes when the block of its spool ends."""

    name: str
    file: Window
    sha256: str
    header: Header


@dataclass
class Refused:
    """A picture that is not taken, and why."""

    name: str
    error: AppError


@dataclass
class Received:
    """What one request carried: pictures in their order, and the fields they were ``sent`` in."""

    pictures: list[Upload | Refused]
    fields: dict[str, str]
    lists: dict[str, list[str]]
    sent: set[str]


async def receive(request: web.Request, spool: Spool, shape: Shape, settings: Settings) -> Received:
    """Read a form with pictures; each is taken or refused on its own.

    Raises:
        BadRequest: no form, no picture, too many, or a form out of shape.
        TooLarge, TooSlow: see the settings.
    """
    form = await read_form(request, spool, shape, settings)
    expected = next(iter(shape.pictures))
    if not form.pictures:
        sent = ", ".join(repr(name[:40]) for name in [*form.fields, *form.lists]) or "none"
        raise BadRequest(
            f"there is no picture in the field {expected!r} (fields sent: {sent}); "
            f"e.g. curl -F {expected}=@cat.png",
            field=expected,
        )
    pictures = [await judge(arrival, settings) for arrival in form.pictures]
    fields = {arrival.field for arrival in form.pictures}
    return Received(pictures, form.fields, form.lists, fields)


async def judge(arrival: Arrival, settings: Settings) -> Upload | Refused:
    """Return the picture if it is whole, of an accepted kind and not too large, else why not."""
    name = safe(arrival.name, settings.max_name_length)
    try:
        if arrival.error is not None:
            raise arrival.error
        header = await asyncio.to_thread(
            inspect, arrival.file, arrival.accepted, arrival.file.start, arrival.file.size
        )
        check_pixels(
            header.width,
            header.height,
            settings.max_pixels,
            what="the picture",
            setting="MAX_PIXELS",
        )
    except AppError as error:
        return Refused(name, error)
    return Upload(name, arrival.file, arrival.sha256, header)
