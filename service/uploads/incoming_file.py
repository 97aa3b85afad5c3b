"""One uploaded file: counted, hashed and sniffed while it streams in, validated when complete."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import BinaryIO, Self

from models.errors import AppError, BadRequest, TooLarge
from models.images.inspect import (
    ACCEPTED_FORMATS,
    ImageHeader,
    InputFormat,
    check_pixels,
    inspect,
    sniff,
)
from models.settings import Settings
from models.tasks.filenames import sanitize
from service.uploads.spool import Spool, SpooledFile

_SNIFFED_BYTES = 16  # enough to recognise every format
_READ_BYTES = 1024 * 1024


@dataclass
class AcceptedUpload:
    """A complete, valid image; ``file`` is deleted when the block of its spool ends."""

    name: str
    file: SpooledFile
    sha256: str
    header: ImageHeader


@dataclass
class RejectedUpload:
    """A file that is not accepted, and why."""

    name: str
    error: AppError


class IncomingFile:
    """A file part of a form; ``error`` says why its content is rejected, if it is."""

    def __init__(
        self,
        field: str,
        name: str,
        file: SpooledFile,
        accepted: tuple[InputFormat, ...],
        settings: Settings,
    ) -> None:
        self.field = field
        self.name = name
        self.file = file
        self.size = 0
        self.error: AppError | None = None
        self._accepted = accepted
        self._settings = settings
        self._digest = hashlib.sha256()
        self._start = b""

    @classmethod
    def copy_of(cls, name: str, source: BinaryIO, spool: Spool, settings: Settings) -> Self:
        """Return a copy of ``source``, a file on this machine.

        Raises:
            TooLarge: it is larger than MAX_UPLOAD_BYTES.
        """
        copy = cls("", name, spool.new_file(), ACCEPTED_FORMATS, settings)
        while data := source.read(_READ_BYTES):
            copy.write(data)
        copy.close()
        return copy

    def write(self, data: bytes) -> None:
        """Append the next bytes.

        Raises:
            TooLarge: the file has more than MAX_UPLOAD_BYTES.
        """
        self.size += len(data)
        if self.size > self._settings.max_upload_bytes:
            raise upload_too_large(self._settings, self.size, self.name)
        if self.error is not None:
            return  # rejected content is counted and dropped
        if len(self._start) < _SNIFFED_BYTES:
            self._start += data[: _SNIFFED_BYTES - len(self._start)]
            if len(self._start) == _SNIFFED_BYTES:
                self._sniff()
        self._digest.update(data)
        self.file.write(data)

    def _sniff(self) -> None:
        try:
            sniff(self._start, self._accepted)
        except AppError as error:
            self.error = error

    def close(self) -> None:
        """Finish after the last byte."""
        if self.size == 0:
            self.error = BadRequest("the picture is empty: 0 bytes arrived", measured=0)
        self.file.flush()

    async def validate(self) -> AcceptedUpload | RejectedUpload:
        """Accept a complete image of an accepted format with at most MAX_PIXELS, else reject it."""
        name = sanitize(self.name)
        try:
            if self.error is not None:
                raise self.error
            header = await asyncio.to_thread(
                inspect, self.file, self._accepted, self.file.start, self.file.size
            )
            check_pixels(
                header.width,
                header.height,
                self._settings.max_pixels,
                what="the picture",
                setting="MAX_PIXELS",
            )
        except AppError as error:
            return RejectedUpload(name, error)
        return AcceptedUpload(name, self.file, self._digest.hexdigest(), header)


def decode_text(value: bytes, what: str) -> str:
    """Return ``value`` as text; ``what`` names it in the error.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not UTF-8") from None


def upload_too_large(settings: Settings, measured: int, name: str = "") -> TooLarge:
    """Return the error for a file, or a body with one file, above MAX_UPLOAD_BYTES."""
    what = f"the picture {name[:80]!a}" if name else "the upload"
    return TooLarge(
        f"{what} has {measured} bytes or more; at most {settings.max_upload_bytes} are "
        "accepted (MAX_UPLOAD_BYTES)",
        setting="MAX_UPLOAD_BYTES",
        limit=settings.max_upload_bytes,
        measured=measured,
    )
