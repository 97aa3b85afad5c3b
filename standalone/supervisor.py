"""Supervisor of all processes on one machine: start in order, restart, stop in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shlex
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from models.errors import StoreUnavailable
from models.networks.catalogue import Catalogue
from models.presets import read_file
from models.settings import Settings
from standalone import embedded_stores
from standalone.database_check import check_database
from standalone.own_modules import OWN_MODULES
from standalone.process import CannotStart, SupervisedProcess, print_status
from standalone.sockets import is_ready, listen, reachable
from workers.worker_name import worker_name

_READY_SECONDS = 60


_EXAMPLE = Path(__file__).parent.parent / "docs" / "curve.png"


def first_steps(url: str, data: Path, *, keys: bool) -> list[str]:
    """Return what to do now: the page, a command that works as it is, and where the data lie."""
    key = " -H 'Authorization: Bearer YOUR_KEY'" if keys else ""
    picture = shlex.quote(str(_EXAMPLE)) if _EXAMPLE.is_file() else "cat.png"
    return [
        f"  page:    {url}/" + (" (log in with an API key)" if keys else ""),
        f"  command: curl{key} -F image=@{picture} -F width=300 '{url}/thumbnail?wait=30'",
        f"  data:    {data}",
        "  stop:    Ctrl-C",
    ]


class Supervisor:
    """Supervises the processes of ``make run``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.stores.data_dir.resolve()
        self._processes: list[SupervisedProcess] = []
        self._shutdown = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
        self._ready_once = False
        self._replacement: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run until SIGINT or SIGTERM; return the exit status."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._shutdown.set)
        # Not SIGHUP, which a closed terminal sends.
        loop.add_signal_handler(signal.SIGUSR2, self._on_sigusr2)
        if os.geteuid() == 0:
            print_status(
                "warning: Darkroom runs as root and needs no root; start it as a user of its own "
                "that can read nothing else (docs/deployment.md)"
            )
        self._data.mkdir(parents=True, exist_ok=True)
        with lock_data(self._data):
            try:
                starting = asyncio.create_task(self._start())
                shutdown = asyncio.create_task(self._shutdown.wait())
                await asyncio.wait({starting, shutdown}, return_when=asyncio.FIRST_COMPLETED)
                if not starting.done():
                    starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    ready = await starting
                    if not ready:
                        return 1
                await shutdown
            finally:
                await self._stop()
        return 0

    async def _start(self) -> bool:
        s = self._settings
        # This and more is checked here as well: what does not start is started again and again.
        read_file(s.http.presets_file, s.uploads, Catalogue.read(s.networks.networks_dir))
        self._sockets = listen(s.http.host, s.http.port)
        self._settings = await self._open_stores()
        s = self._settings
        await check_database(s)
        shared = {
            "REDIS_URL": s.stores.redis_url,
            "MONGO_URL": s.stores.mongo_url,
            "DATA_DIR": str(self._data),
            **OWN_MODULES,
        }
        run_dir = self._data / "run"
        for number in range(s.worker.workers):
            worker = SupervisedProcess(
                f"worker-{number}",
                [sys.executable, "-m", "workers", "run"],
                run_dir,
                shared,
                grace_seconds=s.worker.drain_seconds + 10,
                on_death=self._on_worker_death,
            )
            await self._add(worker)
        fds = [listener.fileno() for listener in self._sockets]
        service = [sys.executable, "-m", "service", *(f"--fd={fd}" for fd in fds)]
        grace = 2 * s.http.shutdown_timeout + 5
        await self._add(SupervisedProcess("service", service, run_dir, shared, grace, fds=fds))
        host = reachable(s.http.host)
        url = f"http://[{host}]:{s.http.port}" if ":" in host else f"http://{host}:{s.http.port}"
        if not await is_ready(host, s.http.port, _READY_SECONDS):
            print_status(f"darkroom: not ready within {_READY_SECONDS} s; see the messages above")
            return False
        print_status(f"Darkroom is ready: {url}")
        for line in first_steps(url, self._data, keys=s.api_keys_enabled):
            print_status(line)
        self._ready_once = True
        return True

    async def _open_stores(self) -> Settings:
        """Start the stores that have no URL in the settings; return settings with both URLs."""
        changes: dict[str, str] = {}
        ready = []
        for setting, open_store in (
            ("mongo_url", embedded_stores.mongo),
            ("redis_url", embedded_stores.redis),
        ):
            if not getattr(self._settings.stores, setting):
                store = open_store(self._data)
                changes[setting] = store.url
                await self._add(store.process)
                ready.append(store.process.ready())
                if store.reserve:
                    self._run_in_background(store.reserve.keep())
        await asyncio.gather(*ready)
        return self._settings.replace(**changes)

    async def _add(self, process: SupervisedProcess) -> None:
        await process.start()
        self._processes.append(process)

    def _on_sigusr2(self) -> None:
        """Rolling restart: replace workers and service one after the other."""
        if (
            self._ready_once
            and not self._shutdown.is_set()
            and (not self._replacement or self._replacement.done())
        ):
            self._replacement = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> None:
        print_status("replacing the workers and the service")
        done = True
        for process in self._processes:
            if done and process.name.partition("-")[0] in {"worker", "service"}:
                done = await process.replace(_READY_SECONDS)
        print_status("replaced" if done else "not all replaced; see the messages above")

    def _on_worker_death(self, pid: int) -> None:
        """Re-enqueue the tasks of a dead worker at once, not when their leases expire."""
        self._run_in_background(self._reenqueue(pid))

    def _run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _reenqueue(self, pid: int) -> None:
        # Imported here: the supervisor of healthy workers needs no clients of the stores.
        try:
            from models.redis.queue import Queue
            from models.store import Store
        except ImportError as error:  # other code lies on the disk since the start
            print_status(f"the sweep re-enqueues the tasks of the dead worker {pid}: {error}")
            return

        store, queue = Store(self._settings), Queue.open(self._settings.stores)
        try:
            count = await store.leases.expire_worker(worker_name(pid))
            if count:
                print_status(f"re-enqueued {count} tasks of the dead worker {pid}")
                # The sweep would do so too, but up to SWEEP_INTERVAL_SECONDS later.
                for task in await store.leases.stalled():
                    number = await store.leases.next_enqueue_number(task.id)
                    short = task.work.short
                    await queue.enqueue(task.id, number, 0, task.created_at, short=short)
        except StoreUnavailable:
            pass  # the leases expire by themselves, and the sweep re-enqueues
        finally:
            await queue.close()
            store.close()

    async def _stop(self) -> None:
        """Stop in reverse order: nothing is accepted that could not be stored."""
        if self._processes:
            print_status("stopping")
        for listener in self._sockets:
            listener.close()
        if self._replacement:
            self._replacement.cancel()
            await asyncio.gather(self._replacement, return_exceptions=True)
        # All workers at once: one must not claim the tasks that another releases.
        for _, kind in groupby(reversed(self._processes), lambda p: p.name.partition("-")[0]):
            await asyncio.gather(*(process.stop() for process in kind))
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


@contextlib.contextmanager
def lock_data(data: Path) -> Iterator[None]:
    """Lock the data folder for this process and write its pid into the lock file.

    Raises:
        CannotStart: another process holds the lock.
    """
    file: IO[str]
    with (data / "lock").open("a") as file:  # not "w": it may hold another process's pid
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"another Darkroom runs on {data}; stop it, or set DATA_DIR and PORT"
            ) from None
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield
        file.truncate(0)
