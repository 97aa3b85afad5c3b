"""One child process, as its worker holds it: asked, heard, killed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import structlog

from models.errors import WorkerCrashed
from workers.child.disk_quota import Quota
from workers.child.protocol import Line, Logged, Progress, Ready, Unwilling, read
from workers.child.request import Request
from workers.child.results import Strange, cleared, removed, taken
from workers.child.stderr import Stderr

log = structlog.get_logger()

_LAST_WORDS = 0.5  # seconds a child that fell silent has to end by itself
_LOOK = 1.0  # seconds between two looks into a child's folder
_LONGEST = 100  # characters of an event's name, or a fact's
_LONGEST_FACT = 1000  # characters
_MOST_FACTS = 20  # of one event
_MOST_LOGGED = 100  # of one task, by a child that should say next to nothing
_LINE_BYTES = 1024 * 1024  # longest answer a child may give
_AT_ONCE, _A_SECOND = 10_000, 20  # lines of one task; a child tells its progress ten times a second
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "workers.child"
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""The only variables a child sees: it has no use for the addresses and secrets of the stores."""

Message = dict[str, Any]


class NotStarted(OSError):
    """A child died before it was ready: the machine's trouble, not a picture's."""


class Child:
    """One process of ``workers.child``; a context in which one task at a time runs."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, setup: Message) -> None:
        assert process.stderr is not None
        self._process = process
        self._folder = folder
        self._setup = setup
        self._quota = Quota()
        self._context = contextvars.copy_context()
        self._stderr = Stderr(process.stderr, lambda line: self._say("child_said", line=line))
        self._watching = asyncio.create_task(self._watch())
        self.said: Message = {}
        """What it said when it was ready: its engine, why it is not the one hoped for, layers."""
        self.tasks = 0
        """How many it was given."""

    @classmethod
    async def start(cls, setup: Message) -> Child:
        """Start a process and wait until it has loaded what it needs.

        It gets a folder of its own below ``scratch``, where nobody else writes.

        Raises:
            NotStarted: it died before it was ready, or refused to work unconfined.
        """
        folder = Path(tempfile.mkdtemp(prefix="child-", dir=setup.get("scratch")))
        try:
            return await cls._started({**setup, "folder": str(folder)}, folder)
        except BaseException:
            await asyncio.to_thread(removed, folder)
            raise

    @classmethod
    async def _started(cls, setup: Message, folder: Path) -> Child:
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _PROGRAM),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,  # the worker's own it could read, or empty
                limit=_LINE_BYTES,
                cwd=_ROOT,
                env=_environment() | {"TMPDIR": str(folder)},
                start_new_session=True,  # a Ctrl-C is the worker's to handle, not each child's
            )
        )
        try:
            child = cls(await asyncio.shield(starting), folder, setup)
        except asyncio.CancelledError:
            # asyncio hangs when it is cancelled while it connects the pipes: let it finish first.
            await cls(await starting, folder, setup).stop()
            raise
        try:
            await child._ask(setup)
            line = await child._hear()
            if isinstance(line, Unwilling):
                raise NotStarted(f"a child process does not start: {line.refused}")
            if not isinstance(line, Ready):
                raise NotStarted("a child process does not start: it says something else")
            child.said = line.model_dump()
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

    async def _hear(self) -> Line:
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
            if line.endswith(b"\n"):  # else it died
                return read(line)
        except (ValueError, RecursionError) as error:  # also too long a line
            raise await self._strange(error) from None
        raise await self._crashed()

    async def _strange(self, error: Exception) -> WorkerCrashed:
        """Return the crash that a strange line is: not a process to be trusted further."""
        log.error("child_answers_strangely", reason=str(error)[:_LONGEST])
        return await self._crashed()

    async def _crashed(self) -> WorkerCrashed:
        with contextlib.suppress(TimeoutError):  # its own end says more than our killing it
            await asyncio.wait_for(self._process.wait(), _LAST_WORDS)
        await self.stop()
        return WorkerCrashed(
            "the process working at this picture died", exit_status=self._process.returncode
        )

    async def run(self, request: Request, progress: Callable[[float], None]) -> Message:
        """Send ``request`` and return the final answer, passing progress on as it comes."""
        self.tasks += 1
        self._context = contextvars.copy_context()
        self._stderr.begin()
        heard, logged, began = 0, 0, time.monotonic()
        await self._ask(asdict(await asyncio.to_thread(self._given, request)))
        try:
            while True:
                line = await self._hear()
                heard += 1
                if heard > _AT_ONCE + _A_SECOND * (time.monotonic() - began):
                    raise Strange("more lines than there is to say")
                if isinstance(line, Progress):
                    progress(line.progress)
                elif isinstance(line, Logged):
                    logged += 1
                    if logged <= _MOST_LOGGED:
                        _log(line.log.model_dump())
                else:
                    break
            return await asyncio.to_thread(self._received, line, request)
        except Strange as error:
            raise await self._strange(error) from None

    def _given(self, request: Request) -> Request:
        """Return ``request`` with its picture in the child's folder, and nothing else there."""
        cleared(self._folder)
        source = self._folder / "original"
        most = self._setup["max_output_pixels"], self._setup["max_pixels"]
        self._quota = Quota.of(request, *most)
        try:
            os.link(request.source, source)
        except OSError:  # another disk, or one without links
            shutil.copyfile(request.source, source)
        return replace(request, source=str(source), folder=str(self._folder))

    def _received(self, line: Line, request: Request) -> Message:
        """Return the answer, its files taken from the child; the picture does not stay behind."""
        made = taken(line, request, self._folder)
        cleared(self._folder)
        return made

    def kill(self) -> None:
        """Have it die now; ``stop`` also waits for that."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        self.kill()
        # asyncio tells of an end only when every pipe was read to its own.
        await asyncio.gather(self._stderr.end(), self._drain())
        await self._process.wait()
        self._watching.cancel()
        await asyncio.to_thread(removed, self._folder)

    async def _drain(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(RuntimeError):  # somebody else reads it, and to its end
            while await self._process.stdout.read(_LINE_BYTES):
                pass

    async def _watch(self) -> None:
        """Kill it when too much lies in its folder, whether it works or not."""
        while not await asyncio.to_thread(self._quota.exceeded, self._folder):
            await asyncio.sleep(_LOOK)
        self._say("child_fills_its_folder", files=self._quota.files, bytes=self._quota.bytes)
        self.kill()

    def _say(self, event: str, **facts: Any) -> None:
        """Log under the id of the task that it works at, or worked at last."""
        self._context.run(log.warning, event, pid=self.pid, **facts)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def _log(said: Mapping[str, Any]) -> None:
    """Log what a child wants logged; it is not trusted to name a level or to overwrite fields."""
    level = said["level"] if said["level"] in {"info", "warning", "error"} else "warning"
    found = list(said["facts"].items())[:_MOST_FACTS]
    facts = {f"child_{name[:_LONGEST]}": str(value)[:_LONGEST_FACT] for name, value in found}
    getattr(log, level)(str(said["event"])[:_LONGEST], **facts)
