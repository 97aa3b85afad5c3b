"""Streaming multipart/form-data parser: limits every byte, part and header as it arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from multidict import MultiDict
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from models.errors import BadParameter, BadRequest, TooLarge
from models.images.inspect import InputFormat
from models.settings.uploads import UploadSettings
from service.http.request_body import (
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    Body,
    check_limit,
    content_type,
    form_limit,
)
from service.uploads.disk_space import DISK_SPACE
from service.uploads.disposition import read_disposition
from service.uploads.incoming_file import IncomingFile
from service.uploads.spool import Spool

_MAX_PART_HEADERS = 16  # a part has two or three
_MAX_PART_HEADER_BYTES = 8192  # 255 letters that are spelt twice take up to 6000
_MAX_BLANK_PARTS = 100  # file inputs without a file; no form has that many
_DISK_CHECK_BYTES = 4 * 1024 * 1024  # received between two checks of the free disk space


@dataclass(frozen=True)
class FormShape:
    """What a route accepts: the names of its file fields, each with its image formats.

    ``max_files``: how many files. ``repeated``: names of text fields that may occur several times.
    ``known``: the names of all text fields; None: the route checks them later.
    """

    file_fields: Mapping[str, tuple[InputFormat, ...]]
    max_files: int = 1
    repeated: frozenset[str] = frozenset()
    known: tuple[str, ...] | None = None


@dataclass
class Form:
    """The parsed form: files in their order, and text fields."""

    files: list[IncomingFile] = field(default_factory=list)
    fields: MultiDict[str] = field(default_factory=MultiDict)


class _FormBuilder:
    """Fills a Form part by part; raises as soon as a limit is exceeded."""

    def __init__(self, spool: Spool, shape: FormShape, settings: UploadSettings) -> None:
        self.form = Form()
        self._spool = spool
        self._shape = shape
        self._settings = settings
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
        fields = self.form.fields
        check_field(self._name, self._shape.known)
        if len(fields) == MAX_FIELDS:
            raise BadRequest(f"the form has more than {MAX_FIELDS} fields", limit=MAX_FIELDS)
        if self._name in fields and self._name not in self._shape.repeated:
            raise BadRequest(f"the field {shown} came twice")
        self._text = bytearray()

    def _begin_file(self, file_name: str | None, shown: str) -> None:
        form, max_files = self.form, self._shape.max_files
        if file_name is None:
            raise BadRequest(
                f"{shown} came as text, not as a file; "
                f"with curl put @ before the path: -F {self._name}=@cat.png",
                field=self._name,
            )
        count = len(form.files) + 1
        if max_files == 1 < count:
            raise BadRequest(f"one picture a request: {shown} came twice", limit=1)
        check_limit(count, max_files, "pictures or more came", "MAX_BATCH", BadRequest)
        accepted = self._shape.file_fields[self._name]
        file = self._spool.new_file()
        form.files.append(IncomingFile(self._name, file_name, file, accepted, self._settings))

    def _write(self, data: bytes) -> None:
        if self._blank:  # not blank: a file without a name
            self._blank = False
            self._begin_part("", f"{self._name[:40]!a}")
        if self._text is None:
            self.form.files[-1].write(data)
            self._check_refused()
            return
        self._text += data
        if len(self._text) > MAX_FIELD_BYTES:
            raise TooLarge(
                f"the field {self._name[:40]!a} is longer than {MAX_FIELD_BYTES} bytes",
                limit=MAX_FIELD_BYTES,
                measured=len(self._text),
            )

    def _check_refused(self) -> None:
        """Return unless there is nothing to wait for: no picture, and MAX_UPLOAD_BYTES of others.

        Raises:
            AppError: why the first file is refused.
        """
        files = self.form.files
        if files[-1].error is None or (error := files[0].error) is None:
            return
        refused = sum(file.size for file in files)
        if self._shape.max_files == 1 or (
            refused > self._settings.max_upload_bytes and all(file.error for file in files)
        ):
            raise error

    def _end(self) -> None:
        if self._blank:
            self._blank_parts += 1
            if self._blank_parts > _MAX_BLANK_PARTS:
                raise BadRequest(
                    f"more than {_MAX_BLANK_PARTS} file inputs are blank", limit=_MAX_BLANK_PARTS
                )
            return
        if self._text is None:
            self.form.files[-1].close()
            return
        try:
            self.form.fields.add(self._name, self._text.decode())
        except UnicodeDecodeError:
            raise BadRequest(f"the field {self._name[:40]!a} is not UTF-8") from None


async def read_form(
    request: web.Request, spool: Spool, shape: FormShape, settings: UploadSettings
) -> Form:
    """Read a multipart form of ``shape``; its files are written to ``spool``.

    A file with bad content is marked and does not affect the others, unless it is the only one that
    the form may have; a form that exceeds a limit, is too slow or malformed is rejected as a whole.

    Raises:
        BadRequest: not a form, too many files or fields, or malformed.
        UnsupportedFormat: more than MAX_UPLOAD_BYTES came, and nothing of it is a picture.
        TooLarge, UploadTooSlow, InsufficientResources: see the settings.
    """
    free_space, checked_at = request.app[DISK_SPACE].free_space, 0
    if shape.max_files:
        await free_space.check()
    kind, parameters = content_type(request)
    if kind != "multipart/form-data":
        raise BadRequest(
            "send the picture as multipart/form-data, "
            f"e.g. curl -F {next(iter(shape.file_fields), 'image')}=@cat.png",
            measured=kind[:80],
        )
    body = Body(request, settings, *form_limit(shape.max_files, settings))
    builder = _FormBuilder(spool, shape, settings)
    try:
        with PushMultipartParser(
            parameters.get("boundary", "").encode("utf-8", "surrogateescape"),
            max_header_count=_MAX_PART_HEADERS,
            max_header_size=_MAX_PART_HEADER_BYTES,
            header_charset="latin-1",  # keeps each byte: see read_disposition
        ) as parser:
            async for data in body.chunks():
                spool.reserve(len(data))
                if body.received_bytes == len(data) and data[:1] not in {b"-", b"\r"}:
                    raise BadRequest("the multipart form does not begin with its boundary")
                if body.received_bytes - checked_at > _DISK_CHECK_BYTES:
                    checked_at = body.received_bytes
                    await free_space.check()
                for event in parser.parse(data):
                    builder.take(event)
                body.images = sum(file.error is None for file in builder.form.files)
    except MultipartError as error:
        raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
    return builder.form


def check_field(name: str, known: tuple[str, ...] | None) -> None:
    """Return if ``name`` is one of the ``known`` fields; None: any is.

    Raises:
        BadParameter: it is not.
    """
    if known is not None and name not in known:
        raise BadParameter(
            f"unknown field {name[:40]!a}; known: {', '.join(known)}",
            parameter=ascii(name[:40])[1:-1],
            known=list(known),
        )
