"""HTTP client for untrusted webhook receivers, hardened against SSRF and endless responses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Self

import aiohttp
from yarl import URL

from models.outbound.resolver import AddressRefused
from models.outbound.session import (
    FAILURES,
    failure,
    open_session,
    read_certificates,
    type_names,
)
from models.outbound.url import AddressPolicy
from models.settings.webhook import WebhookSettings

_LEAST_RATE = 100_000  # bytes a second at which a receiver of results must take them
_READ_BUFFER_BYTES = 2048  # of a response body held in memory; the body is never read


class CallResult(NamedTuple):
    """How a call went: ``outcome``, see ``models.outbox.webhook.OUTCOMES``; HTTP status, if any."""

    outcome: str
    status: int | None = None
    detail: str = ""
    retry_after: float = 0.0


class WebhookClient:
    """Calls receivers; one for each worker."""

    def __init__(
        self, settings: WebhookSettings, policy: AddressPolicy, context: ssl.SSLContext
    ) -> None:
        self._timeout = settings.webhook_timeout
        self._session = open_session(settings, policy, context, _READ_BUFFER_BYTES)

    @classmethod
    async def open(cls, settings: WebhookSettings, policy: AddressPolicy) -> Self:
        return cls(settings, policy, await read_certificates(settings))

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: URL, body: str, headers: dict[str, str]) -> CallResult:
        """POST ``body`` and return the result; a receiver's failure is never raised."""
        return await self._call("POST", url, body.encode(), headers, self._timeout)

    async def put(
        self, url: URL, chunks: AsyncGenerator[bytes], size: int, headers: dict[str, str]
    ) -> CallResult:
        """PUT the ``size`` bytes of ``chunks``; the receiver has _LEAST_RATE more time for them."""
        async with aclosing(chunks):
            seconds = self._timeout + size / _LEAST_RATE
            return await self._call("PUT", url, chunks, headers, seconds)

    async def _call(
        self,
        method: str,
        url: URL,
        data: bytes | AsyncGenerator[bytes],
        headers: dict[str, str],
        seconds: float,
    ) -> CallResult:
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    method, url, data=data, headers=headers, allow_redirects=False
                ) as response,
            ):
                return _response_result(response)
        except AddressRefused as error:
            return _error_result("refused_address", error)
        except TimeoutError:
            late = TimeoutError(f"no response within {seconds:.4g} s (WEBHOOK_TIMEOUT)")
            return _error_result("timeout", late)
        except FAILURES as error:
            return _error_result(failure(error), error)


def _response_result(response: aiohttp.ClientResponse) -> CallResult:
    status, detail, retry_after = response.status, f"the receiver answered {response.status}", 0.0
    if 200 <= status < 300:
        return CallResult("delivered", status)
    if 300 <= status < 400:
        return CallResult("redirect", status, f"{detail}; redirects are not followed")
    if status in {429, 503}:
        retry_after = _parse_retry_after(response.headers.get("Retry-After", ""))
    return CallResult("gone" if status == 410 else "http_error", status, detail, retry_after)


def _error_result(outcome: str, error: Exception) -> CallResult:
    ours = isinstance(error, AddressRefused | TimeoutError)
    return CallResult(outcome, detail=str(error) if ours else type_names(error))


def _parse_retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, 0 if it is missing or invalid."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
