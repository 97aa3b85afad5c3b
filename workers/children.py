"""The child processes of a worker: started ahead, replaced when they die, killed when late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace

import structlog

from models.errors import TaskTimeout, WorkerCrashed
from models.settings import Settings, cores
from workers.process import Child, Message
from workers.request import Request

log = structlog.get_logger()

_MOST_HELD = 400_000_000  # bytes; twice what a child begins with


class Children:
    """A fixed number of child processes, each given to one task at a time."""

    def __init__(
        self, settings: Settings, replacing: Callable[[str], None] = lambda cause: None
    ) -> None:
        """``replacing`` is told why, each time a child is about to be replaced."""
        self._said_why = replacing
        self.engine = ""
        """What the newest child upscales with, as people read it: ``opencv 5.0.0 f32``."""
        self._timeout = settings.task_timeout
        self._count = settings.children
        self._cores = max(1, cores() // settings.workers)
        self._busy = 0
        self._working: set[int] = set()
        self._setup: Message = {
            "weights_dir": str(settings.networks.resolve()),
            "onnx": settings.onnx,
            "max_pixels": settings.max_pixels,
            "max_output_pixels": settings.max_output_pixels,
            "tile_pixels": settings.tile_pixels,
            "bounds": [settings.min_consistency, settings.max_shift],
            "writing": asdict(settings.writing),
            "engine": settings.upscale_engine,
            "precision": settings.upscale_precision,
        }
        # A place is a slot for one child; None means that the child is to be started when needed.
        self._places: asyncio.LifoQueue[Child | None] = asyncio.LifoQueue()
        self._all: set[Child | None] = set()
        self._replacing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all children; return when each is ready."""
        # Cancelled or failed, it waits for every one: else the slower would be left behind.
        started = await asyncio.gather(
            *(self._new() for _ in range(self._count)), return_exceptions=True
        )
        for child in started:
            if isinstance(child, BaseException):
                raise child
            self._places.put_nowait(child)

    async def _new(self) -> Child:
        child = await Child.start(self._setup)
        self._all.add(child)
        self.engine = str(child.said["engine"])
        if child.said["why"]:
            log.warning("engine_fallback", engine=child.said["engine"], reason=child.said["why"])
        return child

    async def stop(self) -> None:
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in self._all if child))

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that live."""
        return [child.pid for child in self._all if child and child.alive]

    @property
    def states(self) -> dict[int, bool]:
        """Process ids of the children that live; whether each works."""
        return {pid: pid in self._working for pid in self.pids}

    @property
    def busy(self) -> int:
        """How many children work."""
        return self._busy

    async def run(self, request: Request, progress: Callable[[float], None]) -> Message:
        """Run one task in a child and return its final message.

        Raises:
            TaskTimeout: the child worked longer than TASK_TIMEOUT; it was killed.
            WorkerCrashed: the child died.
            NotStarted: no child can be had on this machine.
        """
        child = await self._places.get()
        self._busy += 1
        healthy, cause = False, "failed"
        try:
            if child is None or not child.alive:
                self._all.discard(child)
                child = await self._new()
            self._working.add(child.pid)
            async with asyncio.timeout(self._timeout):
                # One alone gets all cores; many get one each and do not fight over them.
                threads = max(1, self._cores // self._busy)
                answer = await child.run(replace(request, threads=threads), progress)
            # Networks once used stay in memory, and some take gigabytes: nobody counts those here.
            healthy, cause = int(answer.pop("held", 0)) <= _MOST_HELD, "memory"
            return answer
        except asyncio.CancelledError:
            cause = "cancelled"
            raise
        except WorkerCrashed:
            cause = "crashed"
            raise
        except TimeoutError:
            cause = "timeout"
            raise TaskTimeout(
                f"the work took longer than {self._timeout:g} s (TASK_TIMEOUT)",
                setting="TASK_TIMEOUT",
                limit=self._timeout,
            ) from None
        finally:
            self._busy -= 1
            if child is not None:
                self._working.discard(child.pid)
            if healthy:
                self._places.put_nowait(child)
            else:  # crashed, late, holding too much, or its task was cancelled: not used again
                if child is not None:
                    child.kill()  # at once: whoever waits for its memory is about to be let in
                self._said_why(cause)
                task = asyncio.create_task(self._replace(child))
                self._replacing.add(task)
                task.add_done_callback(self._replacing.discard)

    async def _replace(self, child: Child | None) -> None:
        """Stop ``child`` and fill its place with a new one, so that the next task need not wait."""
        fresh = None
        try:
            if child is not None:
                log.warning("child_replaced", pid=child.pid)
                await child.stop()
                self._all.discard(child)
            fresh = await self._new()
        except OSError as error:
            log.error("child_does_not_start", reason=str(error))
        finally:
            self._places.put_nowait(fresh)
