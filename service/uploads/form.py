"""A submitted form, however its body spells it: what a route accepts, filled part by part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from multidict import MultiDict

from models.errors import BadParameter, BadRequest, TooLarge
from models.free_space import FreeSpace
from models.images.inspect import InputFormat
from models.operations import watermark_picture
from models.operations.watermark import FIELD
from models.settings.uploads import UploadSettings
from service.http.request_body import MAX_FIELD_BYTES, MAX_FIELDS, Body, check_limit
from service.uploads.incoming_file import IncomingFile
from service.uploads.spool import Spool

_DISK_CHECK_BYTES = 4 * 1024 * 1024  # received between two checks of the free disk space


IMAGE_URL = "image_url"
"""The field with the URL of a picture, beside files or in place of them."""


DELIVER_URL = "deliver_url"
"""The field with the URL to which a result is PUT, one for each."""


@dataclass(frozen=True)
class FormShape:
    """What a route accepts: the names of its file fields, each with its image formats.

    ``max_files``: how many files. ``repeated``: names of text fields that may occur several times.
    ``known``: the names of all text fields; None: the route checks them later. ``other_bodies``:
    the form may also be JSON, or a picture whose fields stand in the query, and may have IMAGE_URL.
    ``watermark``: it may have one further file, the picture of a watermark.
    ``presets``: the field PRESET may stand for operations and options.
    """

    file_fields: Mapping[str, tuple[InputFormat, ...]]
    max_files: int = 1
    repeated: frozenset[str] = frozenset()
    known: tuple[str, ...] | None = None
    other_bodies: bool = False
    presets: bool = False
    watermark: bool = False

    @property
    def file_field(self) -> str:
        """The documented name of the file field, of which the others are aliases."""
        return next(iter(self.file_fields), "")


@dataclass
class Form:
    """The received form: files in their order, URLs of further ones, and text fields.

    ``deliver_urls``: to which results go. ``watermark``: the picture of a watermark, which is not
    among the files.
    """

    files: list[IncomingFile] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    deliver_urls: list[str] = field(default_factory=list)
    fields: MultiDict[str] = field(default_factory=MultiDict)
    watermark: IncomingFile | None = None


class FormBuilder:
    """Fills a Form; raises as soon as a limit is exceeded."""

    def __init__(
        self, spool: Spool, shape: FormShape, settings: UploadSettings, free_space: FreeSpace
    ) -> None:
        self.form = Form()
        self.shape = shape
        self.settings = settings
        self.spare = 0  # files beside the pictures, which JSON names only at its end
        self._spool = spool
        self._file: IncomingFile | None = None
        self._free_space = free_space

    async def spooled(self, body: Body) -> AsyncIterator[bytes]:
        """Yield the pieces of ``body``, each counted in the spool before it may be written there.

        The time that the body may take grows with each file whose content is not rejected.

        Raises:
            TooLarge, UploadTooSlow, BadRequest: see ``Body.chunks``.
            InsufficientResources: see ``Spool.reserve``; or the disk is full.
        """
        checked_at = 0
        async for data in body.chunks():
            self._spool.reserve(len(data))
            if body.received_bytes - checked_at > _DISK_CHECK_BYTES:
                checked_at = body.received_bytes
                await self._free_space.check()
            yield data
            body.images = sum(file.error is None for file in self.form.files)

    def begin_file(self, field_name: str, file_name: str) -> None:
        """Begin the next file.

        Raises:
            BadRequest: there are more than the form may have.
        """
        if self.takes_watermark(field_name):
            if self.form.watermark is not None:
                raise BadRequest(f"one watermark a request: {FIELD} came twice", limit=1)
            file = self._spool.new_file()
            self.form.watermark = self._file = IncomingFile(
                field_name, file_name, file, watermark_picture.FORMATS, self.settings
            )
            return
        if self.shape.max_files == 1 and len(self.form.files) > self.spare:
            raise BadRequest(f"one picture a request: {field_name[:40]!a} came twice", limit=1)
        self._check_count()
        accepted, file = self.shape.file_fields[field_name], self._spool.new_file()
        self._file = IncomingFile(field_name, file_name, file, accepted, self.settings)
        self.form.files.append(self._file)

    def write_file(self, data: bytes) -> None:
        """Append to the file; see ``IncomingFile.write``.

        Raises:
            AppError: there is nothing to wait for: no picture, and MAX_UPLOAD_BYTES of others.
                Then it is why the first file is refused. Or it is a watermark's, and refused.
        """
        assert self._file is not None  # a file has begun
        self._file.write(data)
        if self._file is self.form.watermark:
            check_watermark(self._file)
            return
        files = self.form.files
        if files[-1].error is None or (error := files[0].error) is None:
            return
        refused = sum(file.size for file in files)
        if self.shape.max_files == 1 or (
            refused > self.settings.max_upload_bytes and all(file.error for file in files)
        ):
            raise error

    def end_file(self) -> None:
        assert self._file is not None
        self._file.close()

    def begin_field(self, name: str) -> None:
        """Return if a text field of this name may come now.

        Raises:
            BadParameter: it is unknown. BadRequest: it came before, or there are too many.
        """
        if self._is_url(name):
            self._check_count()
            return
        if self._is_delivery(name):
            count = len(self.form.deliver_urls) + 1
            limit = self.settings.max_batch_results
            check_limit(count, limit, "URLs or more came", "MAX_BATCH_RESULTS", BadRequest)
            return
        fields = self.form.fields
        check_field(name, self.shape.known)
        if len(fields) == MAX_FIELDS:
            raise BadRequest(f"the form has more than {MAX_FIELDS} fields", limit=MAX_FIELDS)
        if name in fields and name not in self.shape.repeated:
            raise BadRequest(f"the field {name[:40]!a} came twice")

    def add_field(self, name: str, value: str) -> None:
        """Add a whole text field; errors: see ``begin_field`` and ``check_field_size``."""
        try:
            name.encode()
            measured = len(value.encode())
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
            raise BadRequest(f"the field {name[:40]!a} is not UTF-8") from None
        self.begin_field(name)
        check_field_size(name, measured)
        urls = (
            self.form.urls
            if self._is_url(name)
            else self.form.deliver_urls
            if self._is_delivery(name)
            else None
        )
        if urls is None:
            self.form.fields.add(name, value)
        elif value:  # a form sends its empty inputs, too
            urls.append(value)

    def takes_watermark(self, name: str) -> bool:
        """Return whether the field ``name`` is the picture of a watermark."""
        return self.shape.watermark and name == FIELD

    def _is_url(self, name: str) -> bool:
        return name == IMAGE_URL and self.shape.other_bodies

    def _is_delivery(self, name: str) -> bool:
        return name == DELIVER_URL and self.shape.other_bodies

    def _check_count(self) -> None:
        count = len(self.form.files) + len(self.form.urls) + 1 - self.spare
        what = "pictures or more came"
        check_limit(count, self.shape.max_files, what, "MAX_BATCH", BadRequest)


def check_watermark(file: IncomingFile) -> None:
    """Return if ``file`` may still be the picture of a watermark.

    Raises:
        AppError: it is not PNG or JPEG. TooLarge: it is too long.
    """
    if file.error is not None:
        raise type(file.error)(f"{FIELD}: {file.error.detail}", **file.error.facts)
    watermark_picture.check_bytes(file.size)


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


def check_field_size(name: str, measured: int) -> None:
    """Return if a text field of ``measured`` bytes is short enough.

    Raises:
        TooLarge: it is not.
    """
    if measured > MAX_FIELD_BYTES:
        raise TooLarge(
            f"the field {name[:40]!a} is longer than {MAX_FIELD_BYTES} bytes",
            limit=MAX_FIELD_BYTES,
            measured=measured,
        )
