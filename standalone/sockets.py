"""The listening sockets of the service, held by the supervisor.

They outlive each service process: while one is replaced or restarted, connections wait in the
sockets' backlog instead of being refused.
"""

from __future__ import annotations

import errno
import socket

_BACKLOG = 1024  # connections that may wait to be accepted


class AlreadyInUse(Exception):
    """Another process uses the data folder or the port."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets on all addresses of ``host``; if it is empty, of this machine.

    Raises:
        AlreadyInUse: the port is taken, or the host is not an address of this machine.
    """
    sockets: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(addresses):
            try:
                sockets.append(_listening(family, address))
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
        raise AlreadyInUse(
            f"port {port} on {host} cannot be used ({error.strerror}); set PORT or HOST"
        ) from None
    return sockets


def _listening(family: int, address: object) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
