"""Multipart forms from strangers: every byte, part and header counted as it arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from models.errors import BadRequest, TooLarge
from models.images.inspect import Kind
from models.settings import Settings
from service.app_keys import ADMISSION
from service.http.header_params import boundary_of, media_type, parameters
from service.http.json_body import too_long, unknown
from service.http.upload_rate import Pace
from service.uploads.incoming_file import Arrival, text, too_large
from service.uploads.spool import Spool

_HEADERS = 16  # a part has two or three
_HEADER_BYTES = 2048  # no file system's names have a thousand
_SLACK = 64 * 1024  # boundaries and part headers of a form
_LOOK = 4 * 1024 * 1024  # bytes of a form that come between two looks at the room for them


@dataclass(frozen=True)
class Shape:
    """What a route takes: the names of its picture fields, each with the kinds it accepts.

    ``most``: how many pictures. ``repeated``: names of text fields that may come several times.
    ``known``: the names of all text fields, where no others are taken.
    """

    pictures: Mapping[str, tuple[Kind, ...]]
    most: int = 1
    repeated: frozenset[str] = frozenset()
    known: tuple[str, ...] | None = None


@dataclass
class Form:
    """What one request carried: pictures in their order, text fields, and lists of those."""

    pictures: list[Arrival] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)


class _Collector:
    """Takes the parser's events and fills a Form; refuses as soon as something is too much."""

    def __init__(self, form: Form, spool: Spool, shape: Shape, settings: Settings) -> None:
        self.form = form
        self.complete = False
        self._spool = spool
        self._shape = shape
        self._settings = settings
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._name = ""
        self._texts = 0
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
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        options = parameters(self._headers.get(b"content-disposition", b""), "Content-Disposition")
        self._name = text(options.get(b"name", b""), "a field's name")
        file_name = options.get(b"filename")
        shown = f"{self._name[:40]!a}"
        if self._headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise BadRequest(f"the part {shown} is itself multipart; send plain fields")
        if self._name in self._shape.pictures:
            self._text = None
            self._picture(file_name, shown)
            return
        if file_name is not None:
            expected = next(iter(self._shape.pictures), None)
            if expected is None:
                raise BadRequest(f"this form takes no files; {shown} came as one")
            raise BadRequest(
                f"the file came in the field {shown}; send it as {expected!r}, "
                f"e.g. curl -F {expected}=@cat.png",
                field=expected,
            )
        if self._shape.known is not None and self._name not in self._shape.known:
            raise unknown(self._name, self._shape.known)
        self._texts += 1
        if self._texts > self._settings.max_fields:
            raise BadRequest(
                f"the form has more than {self._settings.max_fields} fields (MAX_FIELDS)",
                setting="MAX_FIELDS",
                limit=self._settings.max_fields,
            )
        if self._name in self.form.fields:
            raise BadRequest(f"the field {shown} came twice")
        self._text = bytearray()

    def _picture(self, file_name: bytes | None, shown: str) -> None:
        form, most = self.form, self._shape.most
        if file_name is None:
            raise BadRequest(
                f"{shown} came as text, not as a file; "
                f"with curl put @ before the path: -F {self._name}=@cat.png",
                field=self._name,
            )
        if len(form.pictures) == most:
            if most == 1:
                raise BadRequest(f"one picture a request: {shown} came twice", limit=1)
            raise BadRequest(
                f"more than {most} pictures came; send at most {most} at once (MAX_BATCH)",
                setting="MAX_BATCH",
                limit=most,
            )
        name = text(file_name, "the file name")
        accepted = self._shape.pictures[self._name]
        form.pictures.append(
            Arrival(self._name, name, self._spool.window(), accepted, self._settings)
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._text is None:
            self.form.pictures[-1].write(part)
            return
        self._text += part
        limit = self._settings.max_field_bytes
        if len(self._text) > limit:
            raise TooLarge(
                f"the field {self._name[:40]!a} is longer than {limit} bytes (MAX_FIELD_BYTES)",
                setting="MAX_FIELD_BYTES",
                limit=limit,
                measured=len(self._text),
            )

    def _end(self) -> None:
        if self._text is None:
            self.form.pictures[-1].close()
            return
        value = text(bytes(self._text), f"the field {self._name[:40]!a}")
        if self._name in self._shape.repeated:
            self.form.lists.setdefault(self._name, []).append(value)
        else:
            self.form.fields[self._name] = value

    def _finish(self) -> None:
        self.complete = True


async def read_form(request: web.Request, spool: Spool, shape: Shape, settings: Settings) -> Form:
    """Read a multipart form of ``shape``, its pictures into files of ``spool``.

    A picture whose content is refused is marked so and costs the others nothing; a form that is
    too large, too slow or out of shape is refused as a whole.

    Raises:
        BadRequest: no form, too many pictures or fields, or a form out of shape.
        TooLarge, TooSlow, NoRoom: see the settings.
    """
    kind = media_type(request)
    if kind != "multipart/form-data":
        raise BadRequest(
            "send the picture as multipart/form-data, "
            f"e.g. curl -F {next(iter(shape.pictures), 'image')}=@cat.png",
            measured=kind[:80],
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the form without Content-Encoding: pictures are compressed already")
    most = _most_bytes(shape, settings)
    if (request.content_length or 0) > most:
        raise _too_much(shape, settings, request.content_length or 0)
    form = Form()
    collector = _Collector(form, spool, shape, settings)
    pace, looked = Pace(settings), 0
    try:
        parser = collector.parser(boundary_of(request))
        while data := await pace.hold(request.content.readany()):
            pace.received += len(data)
            if pace.received > most:
                raise _too_much(shape, settings, pace.received)
            if pace.received - looked > _LOOK:
                looked = pace.received
                await request.app[ADMISSION].room()
            parser.write(data)
            pace.pictures = len(form.pictures)
    except FormParserError as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    if not collector.complete:
        raise BadRequest("the multipart form ends early: its closing boundary is missing")
    return form


def _most_bytes(shape: Shape, settings: Settings) -> int:
    """Return how long a body may be, its fields and boundaries included."""
    if shape.most == 0:
        return settings.max_json_bytes
    pictures = min(shape.most * settings.max_upload_bytes, settings.max_batch_bytes)
    if shape.most == 1:
        pictures = settings.max_upload_bytes
    return (
        pictures + settings.max_fields * settings.max_field_bytes + _SLACK * (1 + shape.most // 10)
    )


def _too_much(shape: Shape, settings: Settings, measured: int) -> TooLarge:
    if shape.most == 0:
        return too_long(settings.max_json_bytes, measured)
    if shape.most == 1 or shape.most * settings.max_upload_bytes <= settings.max_batch_bytes:
        return too_large(settings, measured)
    return TooLarge(
        f"the request has {measured} bytes or more; at most {settings.max_batch_bytes} are "
        "accepted at once (MAX_BATCH_BYTES): send fewer pictures in each",
        setting="MAX_BATCH_BYTES",
        limit=settings.max_batch_bytes,
        measured=measured,
    )
