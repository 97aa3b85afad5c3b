"""The child processes of a worker: started ahead, replaced when they die, killed on timeout."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from models import memory_estimate
from models.errors import TaskTimeout, WorkerCrashed
from models.settings import Settings
from models.settings.worker import usable_cores
from workers.child.fork_server import ForkServer
from workers.child.process import ChildProcess, JsonObject
from workers.child.request import Request
from workers.sandbox import Layers, missing_layers

log = structlog.get_logger()

_MAX_RESIDENT_BYTES = 400_000_000  # twice what a child starts with
_MEMORY_SLACK_BYTES = 2_000_000_000  # beyond one task's need: the idle child, compiled networks
_TASKS_OF_CPU = 2  # a child whose processor time exceeds that of one task is replaced after it
_BYTES_PER_PIXEL = 8  # 16 bits with alpha: no result file is much larger
_FILE_SLACK_BYTES = 64 << 20  # a profile, and rows of one pixel
_SHORT_TIMEOUT_SECONDS = 30.0  # of a task that was predicted to take one at most
_CPU_SLACK_SECONDS = 10.0

Slots = asyncio.LifoQueue[ChildProcess | None]


class ChildPool:
    """Child processes; each runs one task at a time.

    One more than their number is started when a short task needs it, see ``DarkroomWorker``.
    """

    def __init__(
        self,
        settings: Settings,
        on_replace: Callable[[str], None] = lambda cause: None,
        scratch: Path | None = None,
    ) -> None:
        """``on_replace`` is called with the cause each time a child is about to be replaced.

        ``scratch``: parent of the children's folders; None: the system's temporary folder.
        """
        self._on_replace = on_replace
        self.engine = ""
        """Upscaling engine of the newest child, for people: ``opencv 5.0.0 f32``."""
        self.network_seconds = 0.0
        """Seconds of the bundled network for a million pixels, by its self-test; 0: none."""
        self.layers: Layers = {}
        """Sandbox layers of the newest child; an inactive one has a reason (workers.sandbox)."""
        self._timeout = settings.worker.task_timeout
        self._count = settings.worker.child_processes
        self._max_tasks = settings.worker.child_max_tasks
        self._cores = max(1, usable_cores() // settings.worker.workers)
        self._busy = 0
        self._busy_pids: set[int] = set()
        cpu_seconds = settings.worker.task_timeout * (os.cpu_count() or 1) + _CPU_SLACK_SECONDS
        self._setup: JsonObject = {
            "weights_dir": str(settings.networks.networks_dir.resolve()),
            "max_pixels": settings.uploads.max_pixels,
            "max_output_pixels": settings.uploads.max_output_pixels,
            "tile_pixels": settings.networks.tile_pixels,
            "writing": asdict(settings.encoding.encoder_settings),
            "engine": settings.networks.upscale_engine,
            "precision": settings.networks.upscale_precision,
            "sandbox": settings.worker.child_sandbox,
            "scratch": None if scratch is None else str(scratch),
            "max_memory_bytes": min(
                memory_estimate.worker_budget(settings.worker) * 5 // 4 + _MEMORY_SLACK_BYTES,
                max(memory_estimate.total_bytes(), 2 * _MEMORY_SLACK_BYTES),
            ),
            "max_file_bytes": settings.uploads.max_output_pixels * _BYTES_PER_PIXEL
            + _FILE_SLACK_BYTES,
            "cpu_seconds": cpu_seconds,
            "max_cpu_seconds": cpu_seconds * _TASKS_OF_CPU,
        }
        self._fork_server = ForkServer(
            settings.uploads.max_pixels, settings.networks.upscale_engine != "opencv"
        )
        # Each slot holds one child; None: a child is started when the slot is needed.
        self._slots: Slots = asyncio.LifoQueue()
        self._spare: Slots = asyncio.LifoQueue()  # one, used while all others are
        self._children: set[ChildProcess | None] = set()
        self._replacements: set[asyncio.Task[None]] = set()
        self._successors: set[asyncio.Task[ChildProcess]] = set()

    async def start(self) -> None:
        """Start all children; return when each is ready."""
        # Waits for all, also when cancelled or failed: the slower ones would be left running.
        started = await asyncio.gather(
            *(self._start_child() for _ in range(self._count)), return_exceptions=True
        )
        self._spare.put_nowait(None)
        for child in started:
            if isinstance(child, BaseException):
                raise child
            self._slots.put_nowait(child)
        if why := missing_layers(self.layers):
            log.warning("children_not_fully_confined", missing=why)

    async def _start_child(self) -> ChildProcess:
        child = await ChildProcess.start(self._fork_server, self._setup)
        self._children.add(child)
        self.engine = str(child.ready["engine"])
        self.layers = dict(child.ready["layers"])
        if seconds := float(child.ready["network_seconds"]):
            # They are tested while others start: the fastest was disturbed least.
            self.network_seconds = min(seconds, self.network_seconds or seconds)
        if child.ready["fallback_reason"]:
            log.warning(
                "engine_fallback",
                engine=child.ready["engine"],
                reason=child.ready["fallback_reason"],
            )
        return child

    async def stop(self) -> None:
        starting = (*self._replacements, *self._successors)
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in self._children if child))
        self._fork_server.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the living children."""
        return [child.pid for child in self._children if child and child.alive]

    @property
    def states(self) -> dict[int, bool]:
        """Process id of each living child, and whether it is busy."""
        return {pid: pid in self._busy_pids for pid in self.pids}

    @property
    def busy(self) -> int:
        """Number of busy children."""
        return self._busy

    async def run(
        self, request: Request, progress: Callable[[float, float], None], *, short: bool = False
    ) -> JsonObject:
        """Run one task in a child and return its final message.

        ``short``: it is predicted to take a second at most. It may have a child more, and takes at
        most _SHORT_TIMEOUT_SECONDS.

        Raises:
            TaskTimeout: the child exceeded TASK_TIMEOUT; it was killed.
            WorkerCrashed: the child died.
            ChildStartError: this machine cannot start a child.
        """
        limit = min(_SHORT_TIMEOUT_SECONDS, self._timeout) if short else self._timeout
        all_busy = self._busy >= self._count and self._slots.empty()
        slots = self._spare if short and all_busy else self._slots
        child = await slots.get()
        self._busy += 1
        healthy, cause = False, "failed"
        successor: asyncio.Task[ChildProcess] | None = None
        try:
            if child is None or not child.alive:
                await self._discard(child)
                child = None  # until the new one runs: a failure now must not discard it twice
                child = await self._start_child()
            if child.tasks + 1 == self._max_tasks:
                # It starts during the last task, so that no later task waits for it.
                successor = self._start_successor()
            self._busy_pids.add(child.pid)
            async with asyncio.timeout(limit):
                # A single task gets all cores; many get one each, so that they do not compete.
                threads = max(1, self._cores // self._busy)
                message = await child.run(replace(request, threads=threads), progress)
            # Used networks stay in memory, some take gigabytes, and no budget counts them.
            cause = child.used_up(_MAX_RESIDENT_BYTES) or ("recycled" if successor else "")
            healthy = not cause
            return message
        except asyncio.CancelledError:
            cause = "cancelled"
            raise
        except WorkerCrashed:
            cause = "crashed"
            raise
        except TimeoutError:
            cause = "timeout"
            raise TaskTimeout(
                f"the work took longer than {limit:g} s (TASK_TIMEOUT)",
                setting="TASK_TIMEOUT",
                limit=limit,
            ) from None
        finally:
            self._busy -= 1
            if child is not None:
                self._busy_pids.discard(child.pid)
            if healthy:
                slots.put_nowait(child)
            else:  # crashed, timed out, recycled, too much memory or cancelled
                if child is not None:
                    child.kill()  # at once: the memory semaphore is about to admit the next task
                self._on_replace(cause)
                task = asyncio.create_task(self._replace(slots, child, cause, successor))
                self._replacements.add(task)
                task.add_done_callback(self._replacements.discard)

    def _start_successor(self) -> asyncio.Task[ChildProcess]:
        """Start the child that replaces one whose last task runs."""
        task = asyncio.create_task(self._start_child())
        self._successors.add(task)
        task.add_done_callback(self._successors.discard)
        return task

    async def _discard(self, child: ChildProcess | None) -> None:
        if child is not None:
            await child.stop()
        self._children.discard(child)

    async def _replace(
        self,
        slots: Slots,
        child: ChildProcess | None,
        cause: str,
        successor: asyncio.Task[ChildProcess] | None,
    ) -> None:
        """Stop ``child`` and fill its slot with a new one before the next task needs it."""
        new_child = None
        try:
            if child is not None:
                log_event = log.info if cause == "recycled" else log.warning
                log_event("child_replaced", pid=child.pid, cause=cause)
                await self._discard(child)
            new_child = await (successor or self._start_child())
        except OSError as error:
            log.error("child_does_not_start", reason=str(error))
        finally:
            slots.put_nowait(new_child)
