"""A picture from a stranger: arrived whole, judged by its bytes, in a temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import web

from models.errors import BadRequest
from models.image import Header, check_pixels, inspect
from models.names import safe
from models.settings import Settings
from service.form import PICTURE_FIELD, read_form


@dataclass
class Upload:
    """A picture that arrived whole; ``file`` goes when ``spool``'s block ends."""

    name: str
    file: BinaryIO
    sha256: str
    header: Header


@contextmanager
def spool() -> Iterator[BinaryIO]:
    """Give a temporary file without a name, gone when the block ends."""
    with tempfile.TemporaryFile(prefix="darkroom-") as file:
        yield file


async def receive(
    request: web.Request, file: BinaryIO, settings: Settings
) -> tuple[Upload, dict[str, str]]:
    """Read a form with one picture into ``file``; return the picture and the other fields.

    Raises:
        BadRequest: no form, no picture, several, an empty one, or a form out of shape.
        TooLarge, TooSlow, UnsupportedFormat, BadImage, TooManyPixels: see the settings.
    """
    form = await read_form(request, file, settings)
    if form.file_name is None:
        sent = ", ".join(repr(name[:40]) for name in form.fields) or "none"
        raise BadRequest(
            f"there is no picture in the field {PICTURE_FIELD!r} (fields sent: {sent}); "
            "e.g. curl -F image=@cat.png",
            field=PICTURE_FIELD,
        )
    if form.size == 0:
        raise BadRequest("the picture is empty: 0 bytes arrived", measured=0)
    file.flush()
    header = await asyncio.to_thread(inspect, file)
    check_pixels(
        header.width, header.height, settings.max_pixels, what="the picture", setting="MAX_PIXELS"
    )
    name = safe(form.file_name, settings.max_name_length)
    return Upload(name, file, form.sha256, header), form.fields
