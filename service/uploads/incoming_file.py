"""One uploaded file: counted, hashed and sniffed while it streams in, validated when complete."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Self

from models.errors import AppError, BadRequest, TooLarge
from models.images.icc import check_profile
from models.images.inspect import (
    ACCEPTED_FORMATS,
    ImageHeader,
    InputFormat,
    check_pixels,
    inspect,
    sniff,
)
from models.images.signatures import SNIFFED_BYTES
from models.settings.uploads import UploadSettings
from models.tasks.filenames import sanitize
from service.http.request_body import check_limit
from service.uploads.spool import Spool, SpooledFile

_READ_BYTES = 1024 * 1024
_LARGE_BYTES = 1024 * 1024  # a hostile file of that size takes 15 ms
_LARGE_FILES = ThreadPoolExecutor(1, "inspect")
"""One thread: each that inspects a hostile file competes with the event loop for the GIL."""


class IncomingFile:
    """A file part of a form; ``error`` says why its content is rejected, if it is.

    It is deleted when the block of its spool ends. ``header``: once it is validated.
    """

    header: ImageHeader

    def __init__(
        self,
        field: str,
        name: str,
        file: SpooledFile,
        accepted: tuple[InputFormat, ...],
        settings: UploadSettings,
    ) -> None:
        self.field = field
        self.name = sanitize(name)
        self.file = file
        self.size = 0
        self.error: AppError | None = None
        self._accepted = accepted
        self._settings = settings
        self._digest = hashlib.sha256()
        self._start = b""

    def rename(self, name: str) -> None:
        """Set the name, where it comes after the file."""
        self.name = sanitize(name)

    def restricted_to(self, accepted: tuple[InputFormat, ...]) -> Self:
        """Return itself; it is refused if its bytes, which all came, are of another format."""
        self._accepted = accepted
        if self.error is None:
            self._sniff()
        return self

    @classmethod
    def copy_of(cls, name: str, source: BinaryIO, spool: Spool, settings: UploadSettings) -> Self:
        """Return a copy of ``source``, a file on this machine.

        Raises:
            TooLarge: it is larger than MAX_UPLOAD_BYTES.
        """
        copy = cls("", name, spool.new_file(), ACCEPTED_FORMATS, settings)
        while data := source.read(_READ_BYTES):
            spool.reserve(len(data))
            copy.write(data)
        copy.close()
        return copy

    def write(self, data: bytes) -> None:
        """Append the next bytes.

        Raises:
            TooLarge: the file has more than MAX_UPLOAD_BYTES.
        """
        self.size += len(data)
        check_limit(
            self.size,
            self._settings.max_upload_bytes,
            f"bytes or more in the picture {self.name!a}",
            "MAX_UPLOAD_BYTES",
            TooLarge,
        )
        if self.error is not None:
            return  # rejected content is counted and dropped
        if len(self._start) < SNIFFED_BYTES:
            self._start += data[: SNIFFED_BYTES - len(self._start)]
            if len(self._start) == SNIFFED_BYTES:
                self._sniff()
            if self.error is not None:
                return
        self._digest.update(data)
        self.file.write(data)

    def close(self) -> None:
        """Finish after the last byte."""
        if self.size == 0:
            self.error = BadRequest("the picture is empty: 0 bytes arrived", measured=0)
        elif self.size < SNIFFED_BYTES:
            self._sniff()
        self.file.flush()

    def _sniff(self) -> None:
        try:
            sniff(self._start, self._accepted)
        except AppError as error:
            self.error = error

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def validate(self) -> None:
        """Return if the complete file is a valid image; sets ``header``.

        Raises:
            AppError: it is not of an accepted format, is broken, has more than MAX_PIXELS, or its
                colour profile is too large.
        """
        if self.error is not None:
            raise self.error
        executor = _LARGE_FILES if self.file.size > _LARGE_BYTES else None
        self.header = header = await asyncio.get_running_loop().run_in_executor(
            executor, inspect, self.file, self._accepted, self.file.start, self.file.size
        )
        check_pixels(
            header.width,
            header.height,
            self._settings.max_pixels,
            what="the picture",
            setting="MAX_PIXELS",
        )
        check_profile(header.profile_bytes, header.width * header.height)
