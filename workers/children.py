"""The child processes of a worker: started ahead, replaced when they die, killed when late."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import structlog

from models.errors import TaskTimeout, WorkerCrashed
from models.settings import Settings, cores
from workers.request import Request

log = structlog.get_logger()

_LAST_WORDS = 0.5  # seconds a child that fell silent has to end by itself
_LINE_BYTES = 1024 * 1024  # longest answer a child may give
_ROOT = Path(__file__).resolve().parent.parent
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""The only variables a child sees: it has no use for the addresses and secrets of the stores."""

Message = dict[str, Any]


class NotStarted(OSError):
    """A child died before it was ready: the machine's trouble, not a picture's."""


class Child:
    """One process of ``workers.child``; a context in which one task at a time runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: Message = {}
        """What it said when it was ready: its engine, and why it is not the one hoped for."""

    @classmethod
    async def start(cls, setup: Message) -> Child:
        """Start a process and wait until it has loaded what it needs.

        Raises:
            NotStarted: it died before it was ready.
        """
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "workers.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
                cwd=_ROOT,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,  # a Ctrl-C is the worker's to handle, not each child's
            )
        )
        try:
            child = cls(await asyncio.shield(starting))
        except asyncio.CancelledError:
            # asyncio hangs when it is cancelled while it connects the pipes: let it finish first.
            await cls(await starting).stop()
            raise
        try:
            await child._ask(setup)
            child.said = await child._hear()
        except WorkerCrashed as error:
            raise NotStarted(f"a child process does not start: {error.facts}") from None
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def _ask(self, request: Message) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._crashed() from None

    async def _hear(self) -> Message:
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
            message: Message = json.loads(line) if line else {}
        except ValueError:  # no JSON, or too long a line: not a process to be trusted further
            message = {}
        if not message:
            raise await self._crashed()
        return message

    async def _crashed(self) -> WorkerCrashed:
        with contextlib.suppress(TimeoutError):  # its own end says more than our killing it
            await asyncio.wait_for(self._process.wait(), _LAST_WORDS)
        await self.stop()
        return WorkerCrashed(
            "the process working at this picture died", exit_status=self._process.returncode
        )

    async def run(self, request: Request, progress: Callable[[float], None]) -> Message:
        """Send ``request`` and return the final answer, passing progress on as it comes."""
        await self._ask(asdict(request))
        while True:
            message = await self._hear()
            if "progress" not in message:
                return message
            progress(float(message["progress"]))

    async def stop(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()


class Children:
    """A fixed number of child processes, each given to one task at a time."""

    def __init__(self, settings: Settings) -> None:
        self.engine = ""
        """What the newest child upscales with, as people read it: ``opencv 5.0.0 f32``."""
        self._timeout = settings.task_timeout
        self._count = settings.children
        self._cores = max(1, cores() // settings.workers)
        self._busy = 0
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

    async def run(self, request: Request, progress: Callable[[float], None]) -> Message:
        """Run one task in a child and return its final message.

        Raises:
            TaskTimeout: the child worked longer than TASK_TIMEOUT; it was killed.
            WorkerCrashed: the child died.
            NotStarted: no child can be had on this machine.
        """
        child = await self._places.get()
        self._busy += 1
        healthy = False
        try:
            if child is None or not child.alive:
                self._all.discard(child)
                child = await self._new()
            async with asyncio.timeout(self._timeout):
                # One alone gets all cores; many get one each and do not fight over them.
                threads = max(1, self._cores // self._busy)
                answer = await child.run(replace(request, threads=threads), progress)
            healthy = True
            return answer
        except TimeoutError:
            raise TaskTimeout(
                f"the work took longer than {self._timeout:g} s (TASK_TIMEOUT)",
                setting="TASK_TIMEOUT",
                limit=self._timeout,
            ) from None
        finally:
            self._busy -= 1
            if healthy:
                self._places.put_nowait(child)
            else:  # it crashed, was late or its task was cancelled: never used again
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
