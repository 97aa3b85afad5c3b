"""HTTP session for URLs that clients name: allowed addresses only, no proxy, cookie or password."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from models.outbound.resolver import AddressRefused, Resolver
from models.outbound.url import AddressPolicy
from models.settings.webhook import WebhookSettings

_MAX_HEADER_BYTES = 8190  # of the status line, and of each header


@cache
def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


async def read_certificates(settings: WebhookSettings) -> ssl.SSLContext:
    """Return the context of TLS. In a thread, and once per process: it reads all certificates."""
    return await asyncio.to_thread(_ssl_context, settings.webhook_ca_file)


def open_session(
    settings: WebhookSettings,
    policy: AddressPolicy,
    context: ssl.SSLContext,
    read_buffer_bytes: int,
    protocol: Callable[[], ResponseHandler] | None = None,
) -> aiohttp.ClientSession:
    """Return a session that connects to addresses of ``policy`` only, and has no timeout.

    No redirects are followed, and bodies stay compressed. A call raises AddressRefused, or what
    ``failure`` names. ``protocol`` makes that of each connection; None: aiohttp's.
    """

    def checked_socket(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Return a socket for one address. The last check, whatever resolved the address."""
        family, kind, protocol, _, where = info
        if reason := policy.refusal(str(where[0])):
            raise AddressRefused(f"{where[0]} {reason}")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=Resolver(settings, policy),
        use_dns_cache=False,  # connect to exactly the addresses that were checked
        socket_factory=checked_socket,
        ssl=context,
        limit=0,  # the user of the session limits concurrency
        force_close=True,  # a kept connection may lead to an older address of the name
    )
    if protocol is not None:
        connector._factory = protocol  # type: ignore[assignment]  # aiohttp has no option for it
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # no proxies, no .netrc
        auto_decompress=False,
        read_bufsize=read_buffer_bytes,
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        raise_for_status=False,
    )


FAILURES = (TimeoutError, aiohttp.ClientError, ssl.CertificateError, OSError, ValueError)
"""What a call may raise besides AddressRefused."""


def failure(error: BaseException) -> str:
    """Return what went wrong in a call: timeout, dns, tls or connection."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns"
    tls = aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError
    return "tls" if isinstance(error, tls) else "connection"


def type_names(error: BaseException) -> str:
    """Return the types of ``error`` and its cause: its text may tell about our network."""
    return f"{type(error).__name__}: {type(error.__cause__ or error).__name__}"
