"""Multipart forms from strangers: every byte, part and header counted as it arrives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import BinaryIO

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from models.errors import BadRequest, TooLarge
from models.image import sniff
from models.settings import Settings
from service.pace import Pace

PICTURE_FIELD = "image"
_HEADERS = 16  # a part has two or three
_HEADER_BYTES = 4096
_SNIFFED = 16  # bytes that tell a format
_SLACK = 64 * 1024  # boundaries and part headers of a form


@dataclass
class Form:
    """What one request carried: text fields, and the picture's name, size and hash."""

    file: BinaryIO
    fields: dict[str, str] = field(default_factory=dict)
    file_name: str | None = None
    size: int = 0
    sha256: str = ""


class _Collector:
    """Takes the parser's events and fills a Form; refuses as soon as something is too much."""

    def __init__(self, form: Form, settings: Settings) -> None:
        self.form = form
        self.complete = False
        self._settings = settings
        self._digest = hashlib.sha256()
        self._start = b""
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._name = ""
        self._text: bytearray | None = None

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
            max_header_count=_HEADERS,
            max_header_size=_HEADER_BYTES,
        )

    def _begin(self) -> None:
        self._parts += 1
        self._headers = {}
        if self._parts > self._settings.max_fields:
            raise BadRequest(
                f"the form has more than {self._settings.max_fields} parts (MAX_FIELDS)",
                setting="MAX_FIELDS",
                limit=self._settings.max_fields,
            )

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = _text(options.get(b"name", b""), "a field's name")
        file_name = options.get(b"filename")
        shown = f"{self._name[:40]!a}"
        if self._headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise BadRequest(f"the part {shown} is itself multipart; send plain fields")
        if self._name != PICTURE_FIELD:
            if file_name is not None:
                raise BadRequest(
                    f"the file came in the field {shown}; send it as {PICTURE_FIELD!r}, "
                    "e.g. curl -F image=@cat.png",
                    field=PICTURE_FIELD,
                )
            if self._name in self.form.fields:
                raise BadRequest(f"the field {shown} came twice")
            self._text = bytearray()
            return
        if file_name is None:
            raise BadRequest(
                f"{PICTURE_FIELD!r} came as text, not as a file; "
                "with curl put @ before the path: -F image=@cat.png",
                field=PICTURE_FIELD,
            )
        if self.form.file_name is not None:
            raise BadRequest(f"one picture a request: {PICTURE_FIELD!r} came twice")
        self._text = None
        self.form.file_name = _text(file_name, "the file name")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._text is not None:
            self._text += part
            limit = self._settings.max_field_bytes
            if len(self._text) > limit:
                raise TooLarge(
                    f"the field {self._name[:40]!a} is longer than {limit} bytes (MAX_FIELD_BYTES)",
                    setting="MAX_FIELD_BYTES",
                    limit=limit,
                    measured=len(self._text),
                )
            return
        form = self.form
        form.size += len(part)
        if form.size > self._settings.max_upload_bytes:
            raise too_large(self._settings, form.size)
        if len(self._start) < _SNIFFED:
            self._start += part[: _SNIFFED - len(self._start)]
            if len(self._start) == _SNIFFED:
                sniff(self._start)  # what is no picture is refused before it has all arrived
        self._digest.update(part)
        form.file.write(part)

    def _end(self) -> None:
        if self._text is not None:
            self.form.fields[self._name] = _text(
                bytes(self._text), f"the field {self._name[:40]!a}"
            )

    def _finish(self) -> None:
        self.complete = True
        self.form.sha256 = self._digest.hexdigest()


async def read_form(request: web.Request, file: BinaryIO, settings: Settings) -> Form:
    """Read a multipart form with one picture in ``image``, the picture into ``file``.

    Raises:
        BadRequest: no form, no picture, several, or a form out of shape.
        TooLarge, TooSlow, UnsupportedFormat: see the settings.
    """
    if request.content_type != "multipart/form-data":
        raise BadRequest(
            "send the picture as multipart/form-data, e.g. curl -F image=@cat.png",
            measured=request.content_type[:80],
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the form without Content-Encoding: pictures are compressed already")
    most = settings.max_upload_bytes + settings.max_fields * settings.max_field_bytes + _SLACK
    if (request.content_length or 0) > most:
        raise too_large(settings, request.content_length or 0)
    form = Form(file)
    collector = _Collector(form, settings)
    pace = Pace(settings)
    try:
        parser = collector.parser(_boundary(request))
        while data := await pace.hold(request.content.readany()):
            pace.received += len(data)
            if pace.received > most:
                raise too_large(settings, pace.received)
            parser.write(data)
    except FormParserError as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    if not collector.complete:
        raise BadRequest("the multipart form ends early: its closing boundary is missing")
    return form


def _boundary(request: web.Request) -> bytes:
    # As bytes: a header may carry any, and a str of them cannot always be encoded again.
    given = request.headers["Content-Type"].encode("utf-8", "surrogateescape")
    _, options = parse_options_header(given)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise BadRequest("the Content-Type multipart/form-data lacks its boundary")
    return boundary


def _text(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not UTF-8") from None


def too_large(settings: Settings, measured: int) -> TooLarge:
    return TooLarge(
        f"the upload has {measured} bytes or more; at most {settings.max_upload_bytes} are "
        "accepted (MAX_UPLOAD_BYTES)",
        setting="MAX_UPLOAD_BYTES",
        limit=settings.max_upload_bytes,
        measured=measured,
    )
