"""The child processes of a worker: started ahead, replaced when they die, killed when late."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from models import memory_estimate
from models.errors import TaskTimeout, WorkerCrashed
from models.settings import Settings, cores
from workers.child.process import Child, Message
from workers.child.request import Request
from workers.sandbox import Layers, missing

log = structlog.get_logger()

_MOST_HELD = 400_000_000  # bytes; twice what a child begins with
_SLACK = 2_000_000_000  # bytes beyond what one task may take: what a child holds, what it compiles
_SAMPLE = 8  # bytes of a pixel with alpha in 16 bits: no file of a result is much larger than that
_FILE_SLACK = 64 << 20  # bytes; a profile, and rows of one pixel
_CPU_SLACK = 10.0  # seconds


class Children:
    """A fixed number of child processes, each given to one task at a time."""

    def __init__(
        self,
        settings: Settings,
        replacing: Callable[[str], None] = lambda cause: None,
        scratch: Path | None = None,
    ) -> None:
        """``replacing`` is told why, each time a child is about to be replaced.

        ``scratch``: where children get their folders; the system's temporary one.
        """
        self._said_why = replacing
        self.engine = ""
        """What the newest child upscales with, as people read it: ``opencv 5.0.0 f32``."""
        self.layers: Layers = {}
        """What confines the newest child; a layer that does not hold says why (workers.sandbox)."""
        self._timeout = settings.task_timeout
        self._count = settings.children
        self._most_tasks = settings.child_tasks
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
            "sandbox": settings.child_sandbox,
            "scratch": None if scratch is None else str(scratch),
            "most_memory": memory_estimate.budget(settings) * 5 // 4 + _SLACK,
            "most_file": settings.max_output_pixels * _SAMPLE + _FILE_SLACK,
            "cpu_seconds": settings.task_timeout * (os.cpu_count() or 1) + _CPU_SLACK,
        }
        # A place is a slot for one child; None means that the child is to be started when needed.
        self._places: asyncio.LifoQueue[Child | None] = asyncio.LifoQueue()
        self._all: set[Child | None] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._successors: set[asyncio.Task[Child]] = set()

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
        if why := missing(self.layers):
            log.warning("children_not_fully_confined", missing=why)

    async def _new(self) -> Child:
        child = await Child.start(self._setup)
        self._all.add(child)
        self.engine = str(child.said["engine"])
        self.layers = dict(child.said["layers"])
        if child.said["why"]:
            log.warning("engine_fallback", engine=child.said["engine"], reason=child.said["why"])
        return child

    async def stop(self) -> None:
        begun = (*self._replacing, *self._successors)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
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
        successor: asyncio.Task[Child] | None = None
        try:
            if child is None or not child.alive:
                await self._bury(child)
                child = None  # until there is one: what fails now must not bury it again
                child = await self._new()
            if child.tasks + 1 == self._most_tasks:
                successor = self._succeed()  # while the last one is done: nobody waits for it
            self._working.add(child.pid)
            async with asyncio.timeout(self._timeout):
                # One alone gets all cores; many get one each and do not fight over them.
                threads = max(1, self._cores // self._busy)
                answer = await child.run(replace(request, threads=threads), progress)
            # Networks once used stay in memory, and some take gigabytes: nobody counts those here.
            healthy, cause = int(answer.pop("held", 0)) <= _MOST_HELD, "memory"
            if healthy and successor is not None:
                healthy, cause = False, "recycled"
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
            else:  # crashed, late, done with its tasks, holding too much, cancelled: not used again
                if child is not None:
                    child.kill()  # at once: whoever waits for its memory is about to be let in
                self._said_why(cause)
                task = asyncio.create_task(self._replace(child, cause, successor))
                self._replacing.add(task)
                task.add_done_callback(self._replacing.discard)

    def _succeed(self) -> asyncio.Task[Child]:
        """Begin to start the child that follows one which has its last task."""
        task = asyncio.create_task(self._new())
        self._successors.add(task)
        task.add_done_callback(self._successors.discard)
        return task

    async def _bury(self, child: Child | None) -> None:
        if child is not None:
            await child.stop()
        self._all.discard(child)

    async def _replace(
        self, child: Child | None, cause: str, successor: asyncio.Task[Child] | None
    ) -> None:
        """Stop ``child`` and fill its place with a new one, so that the next task need not wait."""
        fresh = None
        try:
            if child is not None:
                say = log.info if cause == "recycled" else log.warning
                say("child_replaced", pid=child.pid, cause=cause)
                await self._bury(child)
            fresh = await (successor or self._new())
        except OSError as error:
            log.error("child_does_not_start", reason=str(error))
        finally:
            self._places.put_nowait(fresh)
