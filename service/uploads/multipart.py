"""Streaming multipart/form-data parser: limits every byte, part and header as it arrives."""

from __future__ import annotations

from aiohttp import web
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from models.errors import BadRequest
from service.http.request_body import Body, content_type, form_limit
from service.uploads.disposition import read_disposition
from service.uploads.form import FormBuilder, check_field_size

_MAX_PART_HEADERS = 16  # a part has two or three
_MAX_PART_HEADER_BYTES = 8192  # 255 letters that are spelt twice take up to 6000
_MAX_BLANK_PARTS = 100  # file inputs without a file; no form has that many


class _Parts:
    """Fills a form from the parser's events."""

    def __init__(self, builder: FormBuilder) -> None:
        self._builder = builder
        self._name = ""
        self._text: bytearray | None = None
        self._blank = False
        self._blank_parts = 0

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """Take the head of a part, some of its data, or its end (None)."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        else:
            self._write(event)

    def _begin(self, part: MultipartSegment) -> None:
        self._name, file_name = read_disposition(part["Content-Disposition"])
        shown = f"{self._name[:40]!a}"
        if (part.content_type or "").startswith("multipart/"):
            raise BadRequest(f"the part {shown} is itself multipart; send plain fields")
        # Browsers send each file input in which nothing was chosen: without a name and bytes.
        self._blank = file_name == ""
        if not self._blank:
            self._begin_part(file_name, shown)

    def _begin_part(self, file_name: str | None, shown: str) -> None:
        shape = self._builder.shape
        if self._name in shape.file_fields or self._builder.takes_watermark(self._name):
            if file_name is None:
                url = "; a URL comes as image_url" if shape.other_bodies else ""
                raise BadRequest(
                    f"{shown} came as text, not as a file; "
                    f"with curl put @ before the path: -F {self._name}=@cat.png{url}",
                    field=self._name,
                )
            self._text = None
            self._builder.begin_file(self._name, file_name)
            return
        if file_name is not None:
            if not shape.file_fields:
                raise BadRequest(f"this form takes no files; {shown} came as one")
            raise BadRequest(
                f"the file came in the field {shown}; send it as {shape.file_field!r}, "
                f"e.g. curl -F {shape.file_field}=@cat.png",
                field=shape.file_field,
            )
        self._builder.begin_field(self._name)
        self._text = bytearray()

    def _write(self, data: bytes) -> None:
        if self._blank:  # not blank: a file without a name
            self._blank = False
            self._begin_part("", f"{self._name[:40]!a}")
        if self._text is None:
            self._builder.write_file(data)
            return
        self._text += data
        check_field_size(self._name, len(self._text))

    def _end(self) -> None:
        if self._blank:
            self._blank_parts += 1
            if self._blank_parts > _MAX_BLANK_PARTS:
                raise BadRequest(
                    f"more than {_MAX_BLANK_PARTS} file inputs are blank", limit=_MAX_BLANK_PARTS
                )
            return
        if self._text is None:
            self._builder.end_file()
            return
        try:
            self._builder.add_field(self._name, self._text.decode())
        except UnicodeDecodeError:
            raise BadRequest(f"the field {self._name[:40]!a} is not UTF-8") from None


async def read_multipart(request: web.Request, builder: FormBuilder) -> None:
    """Read a multipart form.

    A file with bad content is marked and does not affect the others, unless it is the only one that
    the form may have; a form that exceeds a limit, is too slow or malformed is rejected as a whole.

    Raises:
        BadRequest: not a form, too many files or fields, or malformed.
        UnsupportedFormat: more than MAX_UPLOAD_BYTES came, and nothing of it is a picture.
        TooLarge, UploadTooSlow, InsufficientResources: see the settings.
    """
    shape = builder.shape
    kind, parameters = content_type(request)
    if kind != "multipart/form-data":
        name = shape.file_field or "image"
        other = (
            ", or the picture itself with its type, e.g. curl -H 'Content-Type: image/png' "
            "--data-binary @cat.png"
            if shape.other_bodies
            else ""
        )
        raise BadRequest(
            f"send the picture as multipart/form-data, e.g. curl -F {name}=@cat.png{other}",
            measured=kind[:80],
        )
    body = Body(request, builder.settings, *form_limit(shape.max_files, builder.settings))
    parts = _Parts(builder)
    try:
        with PushMultipartParser(
            parameters.get("boundary", "").encode("utf-8", "surrogateescape"),
            max_header_count=_MAX_PART_HEADERS,
            max_header_size=_MAX_PART_HEADER_BYTES,
            header_charset="latin-1",  # keeps each byte: see read_disposition
        ) as parser:
            async for data in builder.spooled(body):
                if body.received_bytes == len(data) and data[:1] not in {b"-", b"\r"}:
                    raise BadRequest("the multipart form does not begin with its boundary")
                for event in parser.parse(data):
                    parts.take(event)
    except MultipartError as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
