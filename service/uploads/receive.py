"""The pictures of one request, received whole in temporary files, and its fields."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from models.errors import BadRequest
from models.settings import Settings
from service.app_keys import ADMISSION
from service.auth.revalidate import still_good
from service.uploads.multipart import Shape, read_form
from service.uploads.spool import Spool
from service.uploads.validation import Refused, Upload, judge


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
        TooLarge, TooSlow, NoRoom: see the settings.
        Unauthorized: the key was revoked while it came.
    """
    await request.app[ADMISSION].room()
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
    await still_good(request)
    fields = {arrival.field for arrival in form.pictures}
    return Received(pictures, form.fields, form.lists, fields)
