"""HTTP client for untrusted webhook receivers, hardened against SSRF and endless responses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from yarl import URL

from models.outbox.webhook_url import AddressPolicy
from models.settings.webhook import WebhookSettings
from workers.webhooks.resolver import AddressRefused, Resolver

_MAX_HEADER_BYTES = 8190  # of the status line, and of each header
_READ_BUFFER_BYTES = 2048  # of a response body held in memory; the body is never read


@cache
def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


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
        self._policy = policy
        self._timeout = settings.webhook_timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Resolver(settings, policy),
                use_dns_cache=False,  # connect to exactly the addresses that were checked
                socket_factory=self._socket,
                ssl=context,
                limit=0,  # the sender limits concurrency
                force_close=True,  # a kept connection may lead to an older address of the name
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # no proxies, no .netrc
            auto_decompress=False,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            raise_for_status=False,
        )

    @classmethod
    async def open(cls, settings: WebhookSettings, policy: AddressPolicy) -> Self:
        # In a thread, and once per process: it reads all the machine's CA certificates.
        context = await asyncio.to_thread(_ssl_context, settings.webhook_ca_file)
        return cls(settings, policy, context)

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: URL, body: str, headers: dict[str, str]) -> CallResult:
        """POST ``body`` and return the result; a receiver's failure is never raised."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.post(
                    url, data=body.encode(), headers=headers, allow_redirects=False
                ) as response,
            ):
                return _response_result(response)
        except AddressRefused as error:
            return _error_result("refused_address", error)
        except TimeoutError:
            late = TimeoutError(f"no response within {self._timeout:g} s (WEBHOOK_TIMEOUT)")
            return _error_result("timeout", late)
        except aiohttp.ClientConnectorDNSError as error:
            return _error_result("dns", error)
        except (aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError) as error:
            return _error_result("tls", error)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _error_result("connection", error)

    def _socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Return a socket for one address. The last check, whatever resolved the address.

        Raises:
            AddressRefused: the address may not be called.
        """
        family, kind, protocol, _, where = info
        if reason := self._policy.refusal(str(where[0])):
            raise AddressRefused(f"{where[0]} {reason}")
        return socket.socket(family, kind, protocol)


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
    # Of a connection error only its type: its text may tell about our network.
    ours = isinstance(error, AddressRefused | TimeoutError)
    return CallResult(outcome, detail=str(error) if ours else _type_names(error))


def _type_names(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"{type(error).__name__}: {type(cause).__name__}"


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
