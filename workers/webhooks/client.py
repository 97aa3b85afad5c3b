"""One call of a stranger's server, which must gain nothing by it but what was meant for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
from yarl import URL

from models.outbox.webhook_url import AddressPolicy
from models.settings import Settings
from workers.webhooks.resolver import AddressRefused, Resolver

_HEADER_BYTES = 8190  # of a status line and of each header
_READ_AHEAD = 2048  # bytes of an answer's body that may lie in memory; none is looked at


class Call:
    """How a call went: ``outcome``, see ``models.outbox.webhook.OUTCOMES``."""

    def __init__(self, began: float, outcome: str, status: int | None = None) -> None:
        self.ms = round((time.monotonic() - began) * 1000, 1)
        self.outcome = outcome
        self.status = status
        self.said = ""
        self.retry_after = 0.0

    @classmethod
    def refused(cls, said: str) -> Self:
        """Return the call that was not made."""
        call = cls(time.monotonic(), "bad_callback")
        call.said = said
        return call


class Caller:
    """Calls receivers; one for each worker."""

    def __init__(self, settings: Settings, reach: AddressPolicy, context: ssl.SSLContext) -> None:
        self._reach = reach
        self._timeout = settings.webhook_timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Resolver(settings, reach),
                use_dns_cache=False,  # the addresses that were judged are the ones connected to
                socket_factory=self._socket,
                ssl=context,
                limit=0,  # the sender counts
                force_close=True,  # a connection that stays could be to what a name was before
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # no proxies, no .netrc
            auto_decompress=False,
            read_bufsize=_READ_AHEAD,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            raise_for_status=False,
        )

    @classmethod
    async def open(cls, settings: Settings, reach: AddressPolicy) -> Self:
        # In a thread: it reads the machine's whole list of authorities.
        file = settings.webhook_ca_file
        context = await asyncio.to_thread(
            ssl.create_default_context, cafile=str(file) if file else None
        )
        return cls(settings, reach, context)

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: URL, body: str, headers: dict[str, str]) -> Call:
        """POST ``body`` and return how that went; never raises for the receiver's sake."""
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.post(
                    url, data=body.encode(), headers=headers, allow_redirects=False
                ) as response,
            ):
                return _answered(began, response)
        except AddressRefused as error:
            return _failed(began, "refused_address", error)
        except TimeoutError:
            late = TimeoutError(f"no answer within {self._timeout:g} s (WEBHOOK_TIMEOUT)")
            return _failed(began, "timeout", late)
        except aiohttp.ClientConnectorDNSError as error:
            return _failed(began, "dns", error)
        except (aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError) as error:
            return _failed(began, "tls", error)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failed(began, "connection", error)

    def _socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Return a socket for one address, judged once more: whatever found it, this is the last.

        Raises:
            AddressRefused: it may not be called.
        """
        family, kind, protocol, _, where = info
        if why := self._reach.refusal(str(where[0])):
            raise AddressRefused(f"{where[0]} {why}")
        return socket.socket(family, kind, protocol)


def _answered(began: float, response: aiohttp.ClientResponse) -> Call:
    status = response.status
    if 200 <= status < 300:
        return Call(began, "delivered", status)
    kind = "redirect" if 300 <= status < 400 else "gone" if status == 410 else "http_error"
    call = Call(began, kind, status)
    call.said = f"the receiver answered {status}"
    if kind == "redirect":
        call.said += "; redirects are not followed"
    if status in {429, 503}:
        call.retry_after = _seconds(response.headers.get("Retry-After", ""))
    return call


def _failed(began: float, outcome: str, error: Exception) -> Call:
    call = Call(began, outcome)
    # Of a connection's error nothing but its kind: what it says may be of the network it met.
    call.said = str(error) if isinstance(error, AddressRefused | TimeoutError) else _plain(error)
    return call


def _plain(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"{type(error).__name__}: {type(cause).__name__}"


def _seconds(retry_after: str) -> float:
    """Return the seconds that a Retry-After asks for, 0 if it asks for none that can be read."""
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
