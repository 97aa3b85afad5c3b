"""Streaming multipart/form-data parser: limits every byte, part and header as it arrives."""

from __future__ import annotations

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from models.errors import BadRequest, TooLarge
from models.settings import Settings
from service.http.header_params import header_parameters, media_type, multipart_boundary
from service.http.json_body import body_too_large, unknown_field
from service.http.upload_rate import MinimumRate
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form_shape import MAX_FIELD_BYTES, MAX_FIELDS, Form, FormShape
from service.uploads.incoming_file import IncomingFile, decode_text, upload_too_large
from service.uploads.spool import Spool

_MAX_PART_HEADERS = 16  # a part has two or three
_MAX_PART_HEADER_BYTES = 2048  # file systems limit names to a few hundred
_OVERHEAD_BYTES = 64 * 1024  # boundaries and part headers of a form
_DISK_CHECK_BYTES = 4 * 1024 * 1024  # received between two checks of the free disk space


class _FormBuilder:
    """Fills a Form from the parser's callbacks; raises as soon as a limit is exceeded."""

    def __init__(self, form: Form, spool: Spool, shape: FormShape, settings: Settings) -> None:
        self.form = form
        self.complete = False
        self._spool = spool
        self._shape = shape
        self._settings = settings
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._name = ""
        self._text_fields = 0
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
            max_header_count=_MAX_PART_HEADERS,
            max_header_size=_MAX_PART_HEADER_BYTES,
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
        options = header_parameters(
            self._headers.get(b"content-disposition", b""), "Content-Disposition"
        )
        self._name = decode_text(options.get(b"name", b""), "a field's name")
        file_name = options.get(b"filename")
        shown = f"{self._name[:40]!a}"
        if self._headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise BadRequest(f"the part {shown} is itself multipart; send plain fields")
        if self._name in self._shape.file_fields:
            self._text = None
            self._begin_file(file_name, shown)
            return
        if file_name is not None:
            expected = next(iter(self._shape.file_fields), None)
            if expected is None:
                raise BadRequest(f"this form takes no files; {shown} came as one")
            raise BadRequest(
                f"the file came in the field {shown}; send it as {expected!r}, "
                f"e.g. curl -F {expected}=@cat.png",
                field=expected,
            )
        if self._shape.known is not None and self._name not in self._shape.known:
            raise unknown_field(self._name, self._shape.known)
        self._text_fields += 1
        if self._text_fields > MAX_FIELDS:
            raise BadRequest(f"the form has more than {MAX_FIELDS} fields", limit=MAX_FIELDS)
        if self._name in self.form.fields:
            raise BadRequest(f"the field {shown} came twice")
        self._text = bytearray()

    def _begin_file(self, file_name: bytes | None, shown: str) -> None:
        form, max_files = self.form, self._shape.max_files
        if file_name is None:
            raise BadRequest(
                f"{shown} came as text, not as a file; "
                f"with curl put @ before the path: -F {self._name}=@cat.png",
                field=self._name,
            )
        if len(form.files) == max_files:
            if max_files == 1:
                raise BadRequest(f"one picture a request: {shown} came twice", limit=1)
            raise BadRequest(
                f"more than {max_files} pictures came; send at most {max_files} at once "
                "(MAX_BATCH)",
                setting="MAX_BATCH",
                limit=max_files,
            )
        name = decode_text(file_name, "the file name")
        accepted = self._shape.file_fields[self._name]
        form.files.append(
            IncomingFile(self._name, name, self._spool.new_file(), accepted, self._settings)
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._text is None:
            self.form.files[-1].write(part)
            return
        self._text += part
        if len(self._text) > MAX_FIELD_BYTES:
            raise TooLarge(
                f"the field {self._name[:40]!a} is longer than {MAX_FIELD_BYTES} bytes",
                limit=MAX_FIELD_BYTES,
                measured=len(self._text),
            )

    def _end(self) -> None:
        if self._text is None:
            self.form.files[-1].close()
            return
        value = decode_text(bytes(self._text), f"the field {self._name[:40]!a}")
        if self._name in self._shape.repeated:
            self.form.lists.setdefault(self._name, []).append(value)
        else:
            self.form.fields[self._name] = value

    def _finish(self) -> None:
        self.complete = True


async def read_form(
    request: web.Request, spool: Spool, shape: FormShape, settings: Settings
) -> Form:
    """Read a multipart form of ``shape``; its files are written to ``spool``.

    A file with bad content is marked and does not affect the others; a form that exceeds a limit,
    is too slow or malformed is rejected as a whole.

    Raises:
        BadRequest: not a form, too many files or fields, or malformed.
        TooLarge, UploadTooSlow, InsufficientResources: see the settings.
    """
    if shape.max_files:
        await request.app[DISK_SPACE].check_free()
    max_bytes = _max_body_bytes(shape, settings)
    _check_headers(request, shape, settings, max_bytes)
    form = Form()
    builder = _FormBuilder(form, spool, shape, settings)
    pace, checked_at = MinimumRate(settings), 0
    try:
        parser = builder.parser(multipart_boundary(request))
        while data := await pace.read(request.content.readany()):
            pace.received_bytes += len(data)
            if pace.received_bytes > max_bytes:
                raise _body_too_large(shape, settings, pace.received_bytes)
            if pace.received_bytes - checked_at > _DISK_CHECK_BYTES:
                checked_at = pace.received_bytes
                await request.app[DISK_SPACE].check_free()
            parser.write(data)
            pace.images = len(form.files)
    except FormParserError as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    if not builder.complete:
        raise BadRequest("the multipart form ends early: its closing boundary is missing")
    return form


def _check_headers(
    request: web.Request, shape: FormShape, settings: Settings, max_bytes: int
) -> None:
    """Reject a request before its body is read."""
    kind = media_type(request)
    if kind != "multipart/form-data":
        raise BadRequest(
            "send the picture as multipart/form-data, "
            f"e.g. curl -F {next(iter(shape.file_fields), 'image')}=@cat.png",
            measured=kind[:80],
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the form without Content-Encoding: pictures are compressed already")
    if (request.content_length or 0) > max_bytes:
        raise _body_too_large(shape, settings, request.content_length or 0)


def _max_body_bytes(shape: FormShape, settings: Settings) -> int:
    """Return the maximum length of a body, fields and boundaries included."""
    if shape.max_files == 0:
        return settings.max_json_bytes
    file_bytes = min(shape.max_files * settings.max_upload_bytes, settings.max_batch_bytes)
    if shape.max_files == 1:
        file_bytes = settings.max_upload_bytes
    return file_bytes + MAX_FIELDS * MAX_FIELD_BYTES + _OVERHEAD_BYTES * (1 + shape.max_files // 10)


def _body_too_large(shape: FormShape, settings: Settings, measured: int) -> TooLarge:
    files = shape.max_files
    if files == 0:
        return body_too_large(settings.max_json_bytes, measured)
    if files == 1 or files * settings.max_upload_bytes <= settings.max_batch_bytes:
        return upload_too_large(settings, measured)
    return TooLarge(
        f"the request has {measured} bytes or more; at most {settings.max_batch_bytes} are "
        "accepted at once (MAX_BATCH_BYTES): send fewer pictures in each",
        setting="MAX_BATCH_BYTES",
        limit=settings.max_batch_bytes,
        measured=measured,
    )
