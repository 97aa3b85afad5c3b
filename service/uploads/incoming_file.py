"""One picture while it arrives: counted, hashed, judged by its first bytes, spooled to disk."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Self

from models.errors import AppError, BadRequest, TooLarge
from models.images.inspect import ACCEPTED, Kind, sniff
from models.settings import Settings
from service.uploads.spool import Spool, Window

_SNIFFED = 16  # bytes that tell a format


class Arrival:
    """A picture part of a form; ``error`` says why its content is refused, if it is."""

    def __init__(
        self,
        field: str,
        name: str,
        file: Window,
        accepted: tuple[Kind, ...],
        settings: Settings,
    ) -> None:
        self.field = field
        self.name = name
        self.file = file
        self.size = 0
        self.error: AppError | None = None
        self.accepted = accepted
        self._settings = settings
        self._digest = hashlib.sha256()
        self._start = b""

    @classmethod
    def of(cls, name: str, source: BinaryIO, spool: Spool, settings: Settings) -> Self:
        """Return the picture that ``source``, a file on this machine, holds.

        Raises:
            TooLarge: it is larger than an upload may be.
        """
        arrival = cls("", name, spool.window(), ACCEPTED, settings)
        while data := source.read(1024 * 1024):
            arrival.write(data)
        arrival.close()
        return arrival

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: more than MAX_UPLOAD_BYTES came.
        """
        self.size += len(data)
        if self.size > self._settings.max_upload_bytes:
            raise too_large(self._settings, self.size, self.name)
        if self.error is not None:
            return  # what is no picture is counted and dropped
        if len(self._start) < _SNIFFED:
            self._start += data[: _SNIFFED - len(self._start)]
            if len(self._start) == _SNIFFED:
                self._judge()
        self._digest.update(data)
        self.file.write(data)

    def _judge(self) -> None:
        try:
            sniff(self._start, self.accepted)
        except AppError as error:
            self.error = error

    def close(self) -> None:
        """The last byte has come."""
        if self.size == 0:
            self.error = BadRequest("the picture is empty: 0 bytes arrived", measured=0)
        self.file.flush()


def text(value: bytes, what: str) -> str:
    """Return ``value`` as text.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not UTF-8") from None


def too_large(settings: Settings, measured: int, name: str = "") -> TooLarge:
    what = f"the picture {name[:80]!a}" if name else "the upload"
    return TooLarge(
        f"{what} has {measured} bytes or more; at most {settings.max_upload_bytes} are "
        "accepted (MAX_UPLOAD_BYTES)",
        setting="MAX_UPLOAD_BYTES",
        limit=settings.max_upload_bytes,
        measured=measured,
    )
