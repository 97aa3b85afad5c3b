"""How a running house is harmed: signals to its processes, wiped and deposed stores."""

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

from tests.chaos.schedule import Harm
from tests.support.standalone_process import House

_SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM}
_DEPOSED = 1  # seconds for which a primary that was told to step down does not stand again


class Harms:
    """Does harm to ``house`` and writes down what was done when, and whom it ever saw alive."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._thaws: set[asyncio.Task[None]] = set()
        self.done: list[tuple[float, float, Harm]] = []
        """(began, ended) by this machine's clock, in seconds since 1970, and the harm."""
        self.missed: list[Harm] = []
        """Those whose target was dead already."""
        self.seen: set[psutil.Process] = set()

    def look(self) -> None:
        """Note every process of the house that lives now."""
        assert self._house.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self._house.process.pid).children(recursive=True))

    async def do(self, harm: Harm) -> None:
        """Do ``harm``; a freeze ends by itself later."""
        self.look()
        began = time.time()
        try:
            if harm.what == "freeze":
                self._freeze(self._target(harm), harm.seconds)
            elif harm.what == "flush":
                await asyncio.to_thread(flush, self._house)
            elif harm.what == "step down":
                await asyncio.to_thread(step_down, self._house)
            else:
                if harm.what == "wipe and kill":
                    wipe(self._house)
                self._target(harm).send_signal(_SIGNALS.get(harm.what, signal.SIGKILL))
        except (psutil.NoSuchProcess, FileNotFoundError, IndexError, RedisError, PyMongoError):
            self.missed.append(harm)
        else:
            self.done.append((began, time.time() + harm.seconds, harm))

    async def calm(self) -> None:
        """Return when everything that was frozen goes on."""
        await asyncio.gather(*self._thaws)
        self.look()

    def _target(self, harm: Harm) -> psutil.Process:
        if harm.who not in {"worker", "child"}:
            return psutil.Process(self._house.pid(harm.who))
        workers = list(workers_of(self._house))
        worker = workers[harm.pick % len(workers)]
        if harm.who == "worker":
            return worker
        children = worker.children()
        return children[harm.pick % len(children)] if children else workers[len(workers)]

    def _freeze(self, process: psutil.Process, seconds: float) -> None:
        process.suspend()

        async def thaw() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

        task = asyncio.create_task(thaw())
        self._thaws.add(task)
        task.add_done_callback(self._thaws.discard)


def workers_of(house: House) -> Iterator[psutil.Process]:
    """Yield the worker processes that live, in the order of their names."""
    for file in sorted((house.data_dir / "run").glob("worker-*.pid")):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ValueError):
            yield psutil.Process(int(file.read_text()))


def port(house: House, store: str) -> int:
    return int((house.data_dir / store / "port").read_text())


def flush(house: House) -> None:
    """Empty Redis."""
    with Redis(port=port(house, "redis"), socket_timeout=2) as redis:
        redis.flushall()


def wipe(house: House) -> None:
    """Take away what Redis would read at its next start: a machine's disk that is lost."""
    for file in (house.data_dir / "redis").glob("*.aof"):
        file.unlink(missing_ok=True)


def step_down(house: House) -> None:
    """Depose the primary; alone in its replica set, it is elected again a little later."""
    client: MongoClient[dict[str, object]]
    with MongoClient(
        port=port(house, "mongo"), directConnection=True, serverSelectionTimeoutMS=2000
    ) as client:
        client.admin.command("replSetStepDown", _DEPOSED, force=True)
