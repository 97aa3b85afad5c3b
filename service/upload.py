"""Multipart forms from strangers: streamed to a temporary file, every part counted."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from models.errors import BadRequest, TooLarge, TooSlow
from models.image import Header, check_pixels, inspect
from models.names import safe
from models.settings import Settings

PICTURE_FIELD = "image"
_READ_BYTES = 64 * 1024
_MALFORMED = (ValueError, AssertionError, RuntimeError, EOFError)
"""What aiohttp's multipart reader raises, by what is wrong with the form."""

T = TypeVar("T")


@dataclass
class Upload:
    """A picture that arrived whole, in a temporary file that goes when this is closed."""

    name: str
    file: BinaryIO
    size: int
    sha256: str
    header: Header


@dataclass
class Form:
    """What one multipart request carried."""

    upload: Upload | None = None
    fields: dict[str, str] = field(default_factory=dict)


class _Pace:
    """How long the next read may take: UPLOAD_TIMEOUT in all, UPLOAD_MIN_RATE on average."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began = asyncio.get_running_loop().time()
        self.received = 0

    async def read(self, part: BodyPartReader) -> bytes:
        """Return the next bytes of ``part``; empty at its end; raises TooSlow."""
        data = await self.hold(part.read_chunk(_READ_BYTES))
        self.received += len(data)
        return data

    async def hold(self, arriving: Awaitable[T]) -> T:
        """Wait for what is arriving.

        Raises:
            TooSlow: it did not come in time.
        """
        s = self._settings
        allowed = min(s.upload_grace + self.received / s.upload_min_rate, s.upload_timeout)
        try:
            async with asyncio.timeout_at(self._began + allowed):
                return await arriving
        except TimeoutError:
            seconds = asyncio.get_running_loop().time() - self._began
            raise TooSlow(
                f"{self.received} bytes came in {seconds:.1f} s; an upload must keep up "
                f"{s.upload_min_rate} bytes a second (UPLOAD_MIN_RATE) and end within "
                f"{s.upload_timeout:g} s (UPLOAD_TIMEOUT)",
                measured=self.received,
                min_rate=s.upload_min_rate,
                limit=s.upload_timeout,
            ) from None


@contextmanager
def spool() -> Iterator[BinaryIO]:
    """Give a temporary file without a name, gone when the block ends."""
    with tempfile.TemporaryFile(prefix="darkroom-") as file:
        yield file


async def receive(request: web.Request, file: BinaryIO, settings: Settings) -> Form:
    """Read a multipart form with one picture in ``image`` into ``file``; check the picture.

    Raises:
        BadRequest: no form, no picture, several, an empty one, or a form out of shape.
        TooLarge, TooSlow, UnsupportedFormat, BadImage, TooManyPixels: see the settings.
    """
    if request.content_type != "multipart/form-data":
        raise BadRequest(
            "send the picture as multipart/form-data, e.g. curl -F image=@cat.png",
            measured=request.content_type[:80],
        )
    length = request.content_length
    if length is not None and length > settings.max_upload_bytes + 64 * 1024:
        raise _too_large(settings, length)
    form = Form()
    pace = _Pace(settings)
    try:
        await _read_parts(request, form, file, pace, settings)
    except (*_MALFORMED, HttpProcessingError, RequestPayloadError) as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
    if form.upload is None:
        sent = ", ".join(repr(name[:40]) for name in form.fields) or "none"
        raise BadRequest(
            f"there is no picture in the field {PICTURE_FIELD!r} (fields sent: {sent}); "
            "e.g. curl -F image=@cat.png",
            field=PICTURE_FIELD,
        )
    return form


async def _read_parts(
    request: web.Request, form: Form, file: BinaryIO, pace: _Pace, settings: Settings
) -> None:
    count = 0
    reader = await request.multipart()
    while (part := await pace.hold(reader.next())) is not None:
        count += 1
        if count > settings.max_fields:
            raise BadRequest(
                f"the form has more than {settings.max_fields} parts (MAX_FIELDS)",
                setting="MAX_FIELDS",
                limit=settings.max_fields,
            )
        if not isinstance(part, BodyPartReader):
            raise BadRequest("a part of the form is itself multipart; send plain fields")
        name = part.name or ""
        if name == PICTURE_FIELD:
            if form.upload is not None:
                raise BadRequest(f"one picture a request: {PICTURE_FIELD!r} came twice")
            form.upload = await _read_picture(part, file, pace, settings)
        elif part.filename is not None:
            raise BadRequest(
                f"the file came in the field {name[:40]!a}; send it as {PICTURE_FIELD!r}, "
                "e.g. curl -F image=@cat.png",
                field=PICTURE_FIELD,
            )
        elif name in form.fields:
            raise BadRequest(f"the field {name[:40]!a} came twice")
        else:
            form.fields[name] = await _read_field(part, name, pace, settings)


async def _read_picture(
    part: BodyPartReader, file: BinaryIO, pace: _Pace, settings: Settings
) -> Upload:
    if part.filename is None:
        raise BadRequest(
            f"{PICTURE_FIELD!r} came as text, not as a file; "
            "with curl put @ before the path: -F image=@cat.png",
            field=PICTURE_FIELD,
        )
    digest = hashlib.sha256()
    size = 0
    while data := await pace.read(part):
        size += len(data)
        if size > settings.max_upload_bytes:
            raise _too_large(settings, size)
        digest.update(data)
        file.write(data)
    if size == 0:
        raise BadRequest("the picture is empty: 0 bytes arrived", measured=0)
    file.flush()
    header = await asyncio.to_thread(inspect, file)
    check_pixels(
        header.width, header.height, settings.max_pixels, what="the picture", setting="MAX_PIXELS"
    )
    name = safe(part.filename, settings.max_name_length)
    return Upload(name, file, size, digest.hexdigest(), header)


async def _read_field(part: BodyPartReader, name: str, pace: _Pace, settings: Settings) -> str:
    value = bytearray()
    while data := await pace.read(part):
        value += data
        if len(value) > settings.max_field_bytes:
            raise TooLarge(
                f"the field {name[:40]!a} is longer than {settings.max_field_bytes} bytes "
                "(MAX_FIELD_BYTES)",
                setting="MAX_FIELD_BYTES",
                limit=settings.max_field_bytes,
                measured=len(value),
            )
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"the field {name[:40]!a} is not UTF-8") from None


def _too_large(settings: Settings, measured: int) -> TooLarge:
    return TooLarge(
        f"the upload has {measured} bytes or more; at most {settings.max_upload_bytes} are "
        "accepted (MAX_UPLOAD_BYTES)",
        setting="MAX_UPLOAD_BYTES",
        limit=settings.max_upload_bytes,
        measured=measured,
    )
