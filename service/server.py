"""The service from its start to its end: listens, serves, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from models import ready_pipe
from models.loopback import is_loopback
from models.settings import Settings
from service.app import create_app
from service.app_keys import DRAINING, ENDINGS, LISTENERS
from service.http.connection import Connection
from service.http.connection_limits import ConnectionLimiter

log = structlog.get_logger()

_LAST_WORD = 2.0  # seconds an open connection has to send one more request before it is closed
_LOOK = 0.02
_BACKLOG = 1024  # connections that wait to be accepted


async def serve(
    settings: Settings, descriptors: Sequence[int] = (), ready_fd: int | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then drain.

    ``descriptors``: listening sockets that were inherited, as systemd and ``make run`` hand them
    over; without any, HOST and PORT are bound. ``ready_fd``: see ``models.ready_pipe``.
    """
    sockets = [socket.socket(fileno=each) for each in descriptors]
    settings = _as_reached(settings, sockets)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, leave.set)
    runner = web.AppRunner(create_app(settings), shutdown_timeout=settings.shutdown_timeout)
    try:
        if await _set_up(runner, leave):
            server = runner.server
            assert server is not None
            crowd = ConnectionLimiter(settings, _files())
            watching = asyncio.create_task(crowd.watch())
            ports = await _listen(settings, sockets, lambda: Connection(crowd, settings, server))
            ready_pipe.tell(ready_fd)
            await leave.wait()
            await _drain(runner, ports)
            watching.cancel()
    finally:
        await runner.cleanup()


def _as_reached(settings: Settings, sockets: Sequence[socket.socket]) -> Settings:
    """Return the settings with the HOST that inherited sockets are bound to, whatever it says."""
    internet = (socket.AF_INET, socket.AF_INET6)
    hosts = [str(each.getsockname()[0]) for each in sockets if each.family in internet]
    open_ = [host for host in hosts if not is_loopback(host)]
    return settings.model_copy(update={"host": open_[0]}) if open_ else settings


async def _set_up(runner: web.AppRunner, leave: asyncio.Event) -> bool:
    """Connect to the stores, which may take until they come up; False if told to leave first."""
    starting = asyncio.create_task(runner.setup())
    leaving = asyncio.create_task(leave.wait())
    await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
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
            await loop.create_server(protocol, sock=each, backlog=_BACKLOG) for each in inherited
        ]
    return [await loop.create_server(protocol, settings.host, settings.port, backlog=_BACKLOG)]


def _files() -> int:
    """Return how many files this process may open; see ``__main__``, which asks for more."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


async def _drain(runner: web.AppRunner, ports: Sequence[asyncio.Server]) -> None:
    """Accept no more connections; answer what is open, and say on each that it will be closed.

    To close a connection at once that is kept alive would lose the request that is on its way.
    """
    for port in ports:
        port.close()
    app = runner.app
    app[DRAINING].set()
    app[ENDINGS].close()  # who waits for a task is answered now
    app[LISTENERS].close()  # who listens connects again, to whoever serves then
    log.info("draining")
    loop = asyncio.get_running_loop()
    until = loop.time() + _LAST_WORD
    while runner.server is not None and runner.server.connections and loop.time() < until:
        await asyncio.sleep(_LOOK)
