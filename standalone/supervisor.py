"""All programs of one machine: started in order, kept alive, stopped in the reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import IO

import aiohttp

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from service.auth import startup_check
from standalone import embedded_stores
from standalone.embedded_stores import Server
from standalone.process import Program, beside, environment, say
from standalone.sockets import Occupied, listen
from workers.worker_name import worker_name

_READY_SECONDS = 60


class House:
    """The programs of ``make run``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.data_dir.resolve()
        self._keepers: set[asyncio.Task[None]] = set()
        self._order: list[Program] = []
        self._leave = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
        self._ready_once = False
        self._roll: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run until told to stop; return the exit status."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._leave.set)
        # Not SIGHUP, which a terminal sends that is closed.
        loop.add_signal_handler(signal.SIGUSR2, self._asked_to_roll)
        self._data.mkdir(parents=True, exist_ok=True)
        with _lock(self._data):
            try:
                starting = asyncio.create_task(self._start())
                leaving = asyncio.create_task(self._leave.wait())
                await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not starting.done():
                    starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    ready = await starting
                    if not ready:
                        return 1
                await leaving
            finally:
                await self._stop()
        return 0

    async def _start(self) -> bool:
        self._sockets = listen(self._settings.host, self._settings.port)
        self._settings = await self._open_stores()
        s = self._settings
        await self._may_open()
        shared = environment(REDIS_URL=s.redis_url, MONGO_URL=s.mongo_url, DATA_DIR=str(self._data))
        run_dir = self._data / "run"
        for number in range(s.workers):
            worker = Program(
                f"worker-{number}",
                [sys.executable, "-m", "workers", "run"],
                shared,
                run_dir,
                grace=s.drain_seconds + 10,
                died=self._worker_died,
            )
            await self._add(worker)
        fds = [each.fileno() for each in self._sockets]
        service = [sys.executable, "-m", "service", *(f"--fd={fd}" for fd in fds)]
        grace = 2 * s.shutdown_timeout + 5
        await self._add(Program("service", service, shared, run_dir, grace, fds=fds))
        host = _reachable(s.host)
        url = f"http://[{host}]:{s.port}" if ":" in host else f"http://{host}:{s.port}"
        if not await self._ready(url):
            say(f"darkroom: not ready within {_READY_SECONDS} s; see the lines above")
            return False
        say(f"Darkroom is ready: {url}")
        self._ready_once = True
        return True

    async def _may_open(self) -> None:
        """Return if the service may listen; else it would be started again and again for nothing.

        Raises:
            BadSettings: it may not.
        """
        store = Store(self._settings)
        try:
            await startup_check.check(self._settings, store)
        finally:
            store.close()

    async def _open_stores(self) -> Settings:
        """Start the stores that no URL names; return the settings with both URLs."""
        changes: dict[str, str] = {}
        servers: list[Server] = []
        if not self._settings.mongo_url:
            servers.append(embedded_stores.mongo(self._data))
            changes["mongo_url"] = servers[-1].url
        if not self._settings.redis_url:
            servers.append(embedded_stores.redis(self._data))
            changes["redis_url"] = servers[-1].url
        for server in servers:
            await self._add(server.program, server)
        await asyncio.gather(*(beside(server.ready) for server in servers))
        return self._settings.model_copy(update=changes)

    async def _add(self, program: Program, server: Server | None = None) -> None:
        await program.start()
        self._order.append(program)
        keeper = asyncio.create_task(program.keep(server.ready if server else None))
        self._keepers.add(keeper)

    def _asked_to_roll(self) -> None:
        """SIGUSR2: replace workers and service, one after the other, while the rest serves on."""
        if self._ready_once and not self._leave.is_set() and (not self._roll or self._roll.done()):
            self._roll = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> None:
        say("replacing the workers and the service")
        done = True
        for program in self._order:
            if done and program.name.partition("-")[0] in {"worker", "service"}:
                done = await program.replace(_READY_SECONDS)
        say("replaced" if done else "not all replaced; see the lines above")

    def _worker_died(self, pid: int) -> None:
        """End the dead worker's leases and ring for its tasks: neither need be waited for."""
        task = asyncio.create_task(self._expire(pid))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _expire(self, pid: int) -> None:
        store, queue = Store(self._settings), Queue.open(self._settings)
        try:
            count = await store.leases.expire(worker_name(pid))
            if count:
                say(f"handed on {count} tasks of the dead worker {pid}")
                # A sweep would ring for them too, but up to SWEEP_SECONDS later.
                for task in await store.leases.stalled():
                    number = await store.leases.next_ring(task.id)
                    await queue.enqueue(task.id, number, 0, task.created_at)
        except StoreUnavailable:
            pass  # the leases run out by themselves, and the sweep rings
        finally:
            await queue.close()
            store.close()

    async def _ready(self, url: str) -> bool:
        """Ask /readyz until it agrees; False after _READY_SECONDS."""
        async with aiohttp.ClientSession() as session:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_READY_SECONDS):
                    while True:
                        with contextlib.suppress(aiohttp.ClientError):
                            async with session.get(f"{url}/readyz") as response:
                                if response.status == 200:
                                    return True
                        await asyncio.sleep(0.05)
        return False

    async def _stop(self) -> None:
        """Stop what came last first: nothing is accepted that could not be kept."""
        if self._order:
            say("stopping")
        for each in self._sockets:
            each.close()
        # The workers all at once: one must not take up what another hands back.
        for _, kind in groupby(reversed(self._order), lambda p: p.name.partition("-")[0]):
            await asyncio.gather(*(program.stop() for program in kind))
        if self._roll:
            await asyncio.gather(self._roll, return_exceptions=True)
        for task in (*self._keepers, *self._errands):
            task.cancel()
        await asyncio.gather(*self._keepers, *self._errands, return_exceptions=True)


def _reachable(host: str) -> str:
    """Return an address at which a service bound to ``host`` answers on this machine."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


@contextlib.contextmanager
def _lock(data: Path) -> Iterator[None]:
    """Hold the data folder for this process, whose id stands in the file meanwhile.

    Raises:
        Occupied: another process holds it.
    """
    file: IO[str]
    with (data / "lock").open("a") as file:  # not "w": another's process id may stand in it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(
                f"another Darkroom runs on {data}; stop it, or set DATA_DIR and PORT"
            ) from None
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield
        file.truncate(0)
