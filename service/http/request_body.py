"""Request bodies: limited in size, depth and time; JSON is validated by pydantic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from aiohttp import web
from multipart import parse_options_header
from pydantic import BaseModel, ValidationError

from models.errors import AppError, BadParameter, BadRequest, TooLarge, UploadTooSlow
from models.settings.uploads import UploadSettings

M = TypeVar("M", bound=BaseModel)

_GRACE_SHARE = 6  # of UPLOAD_STALL_TIMEOUT: an upload may begin slowly, for 5 s by default
_MAX_VALIDATION_ERRORS = 20  # above this, only the count is reported: pydantic formats all or none


def content_type(request: web.Request) -> tuple[str, dict[str, str]]:
    """Return the media type of the body and its parameters.

    The parser behind aiohttp's ``request.content_type`` takes more than a second for 8 KB of
    parameters or quotes, this one at most a few milliseconds.
    """
    given = request.headers.get("Content-Type", "application/octet-stream")
    kind, parameters = parse_options_header(given)
    return kind, parameters


class Body:
    """The body of a request as it arrives, limited in size and time.

    At least UPLOAD_MIN_RATE bytes/s on average, at most UPLOAD_TIMEOUT seconds per image. It may be
    slower in the first sixth of UPLOAD_STALL_TIMEOUT, the most seconds that may pass without a
    byte. The user of the class counts ``images``.
    """

    def __init__(
        self,
        request: web.Request,
        settings: UploadSettings,
        limit: int,
        setting: str,
        extra: int = 0,
    ) -> None:
        """``extra``: bytes beside the ``limit`` of ``setting``, for boundaries and text fields.

        Raises:
            TooLarge: it is announced to be longer. BadRequest: it is compressed.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise BadRequest("send the body without Content-Encoding")
        self._request = request
        self._settings = settings
        self._limits = limit, setting, extra
        self._began = asyncio.get_running_loop().time()
        self.received_bytes = 0
        self.images = 0
        self._check_size(request.content_length or 0)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces.

        Raises:
            TooLarge: it is too long. UploadTooSlow: it stalled or is too slow.
            BadRequest: it ended early.
        """
        try:
            while data := await self._read():
                self.received_bytes += len(data)
                self._check_size(self.received_bytes)
                yield data
        except (web.RequestPayloadError, ConnectionError):
            raise BadRequest("the body of the request ended early") from None

    def _check_size(self, measured: int) -> None:
        limit, setting, extra = self._limits
        if measured > limit + extra:
            check_limit(measured, limit, "bytes or more came", setting, TooLarge)

    async def _read(self) -> bytes:
        s, waiting = self._settings, asyncio.get_running_loop().time()
        limit = s.upload_timeout * max(1, self.images)
        grace = s.upload_stall_timeout / _GRACE_SHARE
        allowed = min(grace + self.received_bytes / s.upload_min_rate, limit)
        end, stall = self._began + allowed, waiting + s.upload_stall_timeout
        try:
            async with asyncio.timeout_at(min(end, stall)):
                return await self._request.content.readany()
        except TimeoutError:
            if stall < end:
                raise UploadTooSlow(
                    f"no data for {s.upload_stall_timeout:g} s (UPLOAD_STALL_TIMEOUT), after "
                    f"{self.received_bytes} bytes",
                    measured=self.received_bytes,
                    limit=s.upload_stall_timeout,
                ) from None
            seconds = asyncio.get_running_loop().time() - self._began
            raise UploadTooSlow(
                f"{self.received_bytes} bytes received in {seconds:.1f} s; the minimum is "
                f"{s.upload_min_rate} bytes per second (UPLOAD_MIN_RATE) and must end within "
                f"{limit:g} s (UPLOAD_TIMEOUT per picture)",
                measured=self.received_bytes,
                min_rate=s.upload_min_rate,
                limit=limit,
            ) from None


async def read_body(request: web.Request, settings: UploadSettings) -> bytes:
    """Return a body of at most MAX_JSON_BYTES; errors: see ``Body``."""
    body = Body(request, settings, settings.max_json_bytes, "MAX_JSON_BYTES")
    return b"".join([data async for data in body.chunks()])


def parse_json(body: bytes) -> Any:
    """Return ``body`` parsed as JSON.

    Raises:
        BadRequest: invalid JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not valid JSON") from None


def validate(model: type[M], document: Any, example: str) -> M:
    """Return ``document`` as an instance of ``model``.

    Raises:
        BadRequest: validation failed; names the first error and shows ``example``.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if error.error_count() > _MAX_VALIDATION_ERRORS:
            raise BadRequest(
                f"the body has {error.error_count()} validation errors; send {example}"
            ) from None
        first = error.errors(include_url=False)[0]
        where = ascii(".".join(str(part) for part in first["loc"])[:80])[1:-1]
        raise BadRequest(f"{where or 'the body'}: {first['msg']}; send {example}") from None


def check_limit(
    measured: int, limit: int, what: str, setting: str, error: type[AppError] = BadParameter
) -> None:
    """Return if ``measured`` is at most ``limit``, the value of ``setting``.

    Raises:
        AppError: it is more; its type is ``error``.
    """
    if measured > limit:
        raise error(
            f"{measured} {what}; at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=measured,
        )
