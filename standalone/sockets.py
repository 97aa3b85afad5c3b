"""The addresses of the service: its listening sockets, and whether it answers there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

from standalone.process import CannotStart

_BACKLOG = 1024  # connections that may wait to be accepted


def listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets on all addresses of ``host``; if it is empty, of this machine.

    They outlive each service process: while one is replaced or restarted, connections wait in the
    backlog instead of being refused.

    Raises:
        CannotStart: the port is taken, or the host is not an address of this machine.
    """
    sockets: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(addresses):
            try:
                listener = socket.create_server(address, family=family, backlog=_BACKLOG)
                sockets.append(listener)
            except OSError as error:
                # "localhost" has an IPv6 address even on machines without IPv6.
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise
                unavailable = error
        if not sockets:
            raise unavailable
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise CannotStart(
            f"port {port} on {host} cannot be used ({error.strerror}); set PORT or HOST"
        ) from None
    return sockets


async def is_ready(host: str, port: int, seconds: float) -> bool:
    """Poll /readyz until it answers 200; False after ``seconds``."""
    request = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection(host, port)
                    writer.write(request)
                    status = await reader.readline()
                    writer.close()
                    if b" 200 " in status:
                        return True
                await asyncio.sleep(0.05)
    return False


def reachable(host: str) -> str:
    """Return an address of this machine at which a service bound to ``host`` answers."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
