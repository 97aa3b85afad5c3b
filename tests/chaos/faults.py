"""Inject faults into a running Darkroom: kill, freeze, wipe Redis, step down MongoDB's primary."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from models.replica_set import embedded_mongo_url
from standalone.embedded_stores import redis_url
from tests.chaos.schedule import Fault
from tests.support.fork_servers import children_of
from tests.support.standalone_process import StandaloneProcess

_SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM}
_STEP_DOWN_SECONDS = 1  # for which the old primary does not stand for election


class FaultInjector:
    """Injects faults into ``darkroom`` and records when, and every process it ever saw."""

    def __init__(self, darkroom: StandaloneProcess) -> None:
        self._darkroom = darkroom
        self._thaws: set[asyncio.Task[None]] = set()
        self.done: list[tuple[float, float, Fault]] = []
        """(began, ended) by this machine's clock, in seconds since 1970, and the fault."""
        self.missed: list[Fault] = []
        """Faults whose target was already dead."""
        self.seen: set[psutil.Process] = set()

    def record_processes(self) -> None:
        """Record every process that is alive now."""
        assert self._darkroom.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self._darkroom.process.pid).children(recursive=True))

    async def inject(self, fault: Fault) -> None:
        """Inject ``fault``; a freeze ends by itself later."""
        self.record_processes()
        began = time.time()
        try:
            if fault.action == "freeze":
                self._freeze(self._target(fault), fault.seconds)
            elif fault.action == "flush":
                await asyncio.to_thread(flush, self._darkroom)
            elif fault.action == "step down":
                await asyncio.to_thread(step_down, self._darkroom)
            else:
                if fault.action == "wipe and kill":
                    wipe(self._darkroom)
                self._target(fault).send_signal(_SIGNALS.get(fault.action, signal.SIGKILL))
        except (psutil.NoSuchProcess, FileNotFoundError, IndexError, RedisError, PyMongoError):
            self.missed.append(fault)
        else:
            self.done.append((began, time.time() + fault.seconds, fault))

    async def wait_for_thaws(self) -> None:
        """Return when every frozen process runs again."""
        await asyncio.gather(*self._thaws)
        self.record_processes()

    def _target(self, fault: Fault) -> psutil.Process:
        if fault.target not in {"worker", "child"}:
            return psutil.Process(self._darkroom.pid(fault.target))
        workers = list(workers_of(self._darkroom))
        worker = workers[fault.pick % len(workers)]
        if fault.target == "worker":
            return worker
        children = children_of(worker)
        return children[fault.pick % len(children)] if children else workers[len(workers)]

    def _freeze(self, process: psutil.Process, seconds: float) -> None:
        process.suspend()

        async def thaw() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

        task = asyncio.create_task(thaw())
        self._thaws.add(task)
        task.add_done_callback(self._thaws.discard)


def workers_of(darkroom: StandaloneProcess) -> Iterator[psutil.Process]:
    """Yield the live worker processes, in the order of their names."""
    for file in sorted((darkroom.data_dir / "run").glob("worker-*.pid")):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ValueError):
            yield psutil.Process(int(file.read_text()))


def flush(darkroom: StandaloneProcess) -> None:
    """Empty Redis."""
    with Redis.from_url(redis_url(darkroom.data_dir), socket_timeout=2) as redis:
        redis.flushall()


def wipe(darkroom: StandaloneProcess) -> None:
    """Delete the file that Redis reads at its next start, as if the disk was lost."""
    for file in (darkroom.data_dir / "redis").glob("*.aof"):
        file.unlink(missing_ok=True)


def step_down(darkroom: StandaloneProcess) -> None:
    """Make the primary step down; as the only member it is elected again a little later."""
    client: MongoClient[dict[str, object]]
    with MongoClient(
        embedded_mongo_url(darkroom.data_dir),
        directConnection=True,
        serverSelectionTimeoutMS=2000,
    ) as client:
        client.admin.command("replSetStepDown", _STEP_DOWN_SECONDS, force=True)
