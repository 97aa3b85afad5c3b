"""The server process: binds sockets, serves, drains on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiohttp import web

from models import VERSION, ready_pipe
from models.loopback import is_loopback
from models.settings import Settings
from service.app import create_app, release_waiting
from service.app_keys import DRAINING
from service.http.connection import Connection, ConnectionLimiter

log = structlog.get_logger()

_DRAIN_SECONDS = 2.0  # in which an open connection may send one more request
_POLL_SECONDS = 0.02
_LISTEN_BACKLOG = 1024  # connections that are not accepted yet


async def serve(
    settings: Settings, descriptors: Sequence[int] = (), ready_fd: int | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then drain.

    ``descriptors``: inherited listening sockets, from systemd or ``make run``; without any, HOST
    and PORT are bound. ``ready_fd``: see ``models.ready_pipe``.
    """
    sockets = [socket.socket(fileno=each) for each in descriptors]
    settings = _with_bound_host(settings, sockets)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    runner = web.AppRunner(create_app(settings), shutdown_timeout=settings.http.shutdown_timeout)
    try:
        if await _set_up(runner, stop):
            server = runner.server
            assert server is not None
            limiter = ConnectionLimiter(settings.limits, _raise_file_limit())
            watching = asyncio.create_task(limiter.watch())
            ports = await _listen(
                settings, sockets, lambda: Connection(limiter, settings.http, server)
            )
            addresses = sorted({_address(each) for port in ports for each in port.sockets})
            log.info("listening", addresses=addresses, version=VERSION)
            ready_pipe.notify_ready(ready_fd)
            await stop.wait()
            await _drain(runner, ports)
            watching.cancel()
    finally:
        await runner.cleanup()


def _address(listener: Any) -> str:
    """Return the URL of a listening socket, or the path of one that is no address."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return str(name)
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"


def _with_bound_host(settings: Settings, sockets: Sequence[socket.socket]) -> Settings:
    """Return the settings with HOST replaced by the address of the inherited sockets."""
    internet = (socket.AF_INET, socket.AF_INET6)
    hosts = [str(each.getsockname()[0]) for each in sockets if each.family in internet]
    open_ = [host for host in hosts if not is_loopback(host)]
    return settings.replace(host=open_[0]) if open_ else settings


async def _set_up(runner: web.AppRunner, stop: asyncio.Event) -> bool:
    """Connect to the stores, waiting until they are up; return False if stopped meanwhile."""
    starting = asyncio.create_task(runner.setup())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return False
    await starting
    return True


async def _listen(
    settings: Settings, inherited: Sequence[socket.socket], protocol: Callable[[], Connection]
) -> list[asyncio.Server]:
    loop = asyncio.get_running_loop()
    if inherited:
        return [
            await loop.create_server(protocol, sock=each, backlog=_LISTEN_BACKLOG)
            for each in inherited
        ]
    return [
        await loop.create_server(
            protocol, settings.http.host, settings.http.port, backlog=_LISTEN_BACKLOG
        )
    ]


def _raise_file_limit() -> int:
    """Raise the limit of open files to the maximum: 1024 suffice for a few hundred uploads only."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return sys.maxsize if most == resource.RLIM_INFINITY else most


async def _drain(runner: web.AppRunner, ports: Sequence[asyncio.Server]) -> None:
    """Stop accepting; finish open requests and announce the close in their responses.

    Closing a kept-alive connection at once would lose a request that is being sent.
    """
    for port in ports:
        port.close()
    app = runner.app
    app[DRAINING].set()
    await release_waiting(app)  # event streams reconnect to another process
    log.info("draining")
    loop = asyncio.get_running_loop()
    until = loop.time() + _DRAIN_SECONDS
    while runner.server is not None and runner.server.connections and loop.time() < until:
        await asyncio.sleep(_POLL_SECONDS)
