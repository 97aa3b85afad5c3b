"""Request bodies: limited in size, depth and time; JSON is validated by pydantic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from aiohttp import StreamReader, web
from multipart import parse_options_header
from pydantic import BaseModel, ValidationError

from models.errors import AppError, BadParameter, BadRequest, TooLarge, UploadTooSlow
from models.settings.uploads import UploadSettings

M = TypeVar("M", bound=BaseModel)

MAX_FIELDS = 40  # beside the pictures; the largest form has a dozen
MAX_FIELD_BYTES = 8192  # the longest JSON of twenty operations has a quarter of it

_NO_TYPE = "application/octet-stream"
_OVERHEAD_BYTES = 64 * 1024  # boundaries and part headers of ten pictures
_GRACE_SHARE = 6  # of UPLOAD_STALL_TIMEOUT: an upload may begin slowly, for 5 s by default
_MAX_VALIDATION_ERRORS = 20  # above this, only the count is reported: pydantic formats all or none


def content_type(request: web.Request) -> tuple[str, dict[str, str]]:
    """Return the media type of the body and its parameters.

    The parser behind aiohttp's ``request.content_type`` takes more than a second for 8 KB of
    parameters or quotes, this one at most a few milliseconds.
    """
    given = request.headers.get("Content-Type", _NO_TYPE)
    kind, parameters = parse_options_header(given)
    return kind, parameters


def is_picture(request: web.Request) -> bool:
    """Tell whether there is a body whose type says that it is a picture, or nothing.

    curl -T names no type.
    """
    kind = content_type(request)[0]
    return request.body_exists and (kind.startswith("image/") or kind == _NO_TYPE)


def form_limit(files: int, settings: UploadSettings) -> tuple[int, str, int]:
    """Return the most bytes of a form of ``files``, their setting, and the bytes beside them."""
    if files == 0:
        return settings.max_json_bytes, "MAX_JSON_BYTES", 0
    limit, setting = files * settings.max_upload_bytes, "MAX_UPLOAD_BYTES"
    if files > 1 and limit > settings.max_batch_bytes:
        limit, setting = settings.max_batch_bytes, "MAX_BATCH_BYTES"
    return limit, setting, MAX_FIELDS * MAX_FIELD_BYTES + _OVERHEAD_BYTES * (1 + files // 10)


class Pace:
    """The time that a body may take: at least UPLOAD_MIN_RATE bytes/s.

    It may be late by at most UPLOAD_STALL_TIMEOUT seconds, at its beginning by a sixth of them:
    what came faster before does not count.
    """

    def __init__(self, settings: UploadSettings) -> None:
        self._settings = settings
        self._patience = settings.upload_stall_timeout / _GRACE_SHARE

    async def read(self, content: StreamReader, until: float) -> bytes:
        """Return the next bytes; each earns the time that it takes at UPLOAD_MIN_RATE.

        Raises:
            TimeoutError: they are late, or did not come before the time ``until`` of the loop.
        """
        loop = asyncio.get_running_loop()
        waiting = loop.time()
        async with asyncio.timeout_at(min(until, waiting + self._patience)):
            data = await content.readany()
        earned = len(data) / self._settings.upload_min_rate - (loop.time() - waiting)
        self._patience = min(self._patience + earned, self._settings.upload_stall_timeout)
        return data


class Body:
    """The body of a request as it arrives, limited in size and time.

    At the rate of ``Pace``, and at most UPLOAD_TIMEOUT seconds per image. The user of the class
    counts ``images``.
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
        self._pace = Pace(settings)
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
        s, loop = self._settings, asyncio.get_running_loop()
        limit = s.upload_timeout * max(1, self.images)
        waiting = loop.time()
        try:
            return await self._pace.read(self._request.content, self._began + limit)
        except TimeoutError:
            now = loop.time()
            raise UploadTooSlow(
                f"{self.received_bytes} bytes received in {now - self._began:.1f} s, none in the "
                f"last {now - waiting:.1f} s; the minimum is {s.upload_min_rate} bytes per second "
                f"(UPLOAD_MIN_RATE), at most {s.upload_stall_timeout:g} s late "
                f"(UPLOAD_STALL_TIMEOUT), and the end within {limit:g} s (UPLOAD_TIMEOUT per "
                "picture)",
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
