"""One child process: start it, send it requests, read its messages, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from models.errors import WorkerCrashed
from models.small_files import in_thread_if_large
from workers.child import task_limits
from workers.child.disk_quota import DiskQuota
from workers.child.fork_server import ForkedProcess, ForkServer
from workers.child.protocol import LogMessage, Message, Progress, Ready, StartRefused, parse_message
from workers.child.request import Request
from workers.child.results import ProtocolError, bytes_in, clear_folder, collect, remove_folder
from workers.child.stderr import StderrReader
from workers.child.task_limits import IDLE_CPU_SECONDS
from workers.sandbox.proc_status import cpu_seconds, memory_bytes

log = structlog.get_logger()

_EXIT_GRACE_SECONDS = 0.5  # a silent child may exit by itself in this time
_QUOTA_CHECK_SECONDS = 1.0
_MAX_NAME_CHARACTERS = 100  # of a log event or field name
_MAX_VALUE_CHARACTERS = 1000
_MAX_LOG_FIELDS = 20  # of one log record
_MAX_LOG_RECORDS = 100  # of one task; a sound child logs next to nothing
_DRAIN_BYTES = 1 << 20
# Messages of one task; a child reports its progress ten times a second.
_MESSAGE_BURST, _MESSAGES_PER_SECOND = 10_000, 20

JsonObject = dict[str, Any]


class ChildStartError(OSError):
    """A child died or refused before it was ready: a fault of the machine, not of an image."""


class ChildProcess:
    """One process of ``workers.child``, which runs one task at a time."""

    def __init__(self, process: ForkedProcess, folder: Path, setup: JsonObject) -> None:
        self._process = process
        self._folder = folder
        self._setup = setup
        self._quota = DiskQuota()
        self._cpu_limit = math.inf  # seconds of processor time since its start
        self._start_bytes = 0  # of writable memory, before the first task
        self._context = contextvars.copy_context()
        self._stderr = StderrReader(
            process.stderr, lambda line: self._log_warning("child_stderr", line=line)
        )
        self._watch_task = asyncio.create_task(self._watch())
        self.ready: JsonObject = {}
        """Its Ready message: the engine, why it is not the preferred one, the sandbox layers."""
        self.tasks = 0
        """Number of tasks it was given."""

    @classmethod
    async def start(cls, server: ForkServer, setup: JsonObject) -> ChildProcess:
        """Fork a process and wait until it has loaded what it needs.

        It gets its own folder below ``scratch``, where nothing else writes.

        Raises:
            ChildStartError: it died before it was ready, or refused to work without a sandbox.
        """
        folder = Path(tempfile.mkdtemp(prefix="child-", dir=setup.get("scratch")))
        try:
            return await cls._launch(server, {**setup, "folder": str(folder)}, folder)
        except BaseException:
            await asyncio.to_thread(remove_folder, folder)
            raise

    @classmethod
    async def _launch(cls, server: ForkServer, setup: JsonObject, folder: Path) -> ChildProcess:
        try:
            child = cls(await server.fork(), folder, setup)
        except OSError as error:
            raise ChildStartError(f"a child process does not start: {error}") from error
        try:
            await child._process.started()
            child._send(setup)
            message = await child._receive()
            if isinstance(message, StartRefused):
                raise ChildStartError(f"a child process does not start: {message.refused}")
            if not isinstance(message, Ready):
                raise ChildStartError(
                    "a child process does not start: the first message is not Ready"
                )
            child.ready = message.model_dump()
            child._start_bytes = memory_bytes("VmData", child.pid)
            child._set_limits(0, IDLE_CPU_SECONDS)
        except WorkerCrashed as error:
            raise ChildStartError(f"a child process does not start: {error.facts}") from None
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        assert self._process.pid is not None  # a started child has one
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.alive

    def _send(self, request: JsonObject) -> None:
        # Not awaited: if the child is dead, the answer never comes, and ``_receive`` says so.
        self._process.stdin.write(json.dumps(request).encode() + b"\n")

    async def _receive(self) -> Message:
        try:
            line = await self._process.stdout.readline()
            if line.endswith(b"\n"):  # else it died
                return parse_message(line)
        except (ValueError, RecursionError) as error:  # also a line that is too long
            raise await self._protocol_error(error) from None
        raise await self._crashed()

    async def _protocol_error(self, error: Exception) -> WorkerCrashed:
        """Log a message outside the protocol, stop the untrusted process and return the crash."""
        log.error("child_protocol_error", reason=str(error)[:_MAX_NAME_CHARACTERS])
        return await self._crashed()

    async def _crashed(self) -> WorkerCrashed:
        with contextlib.suppress(TimeoutError):  # its own exit status says more than our SIGKILL
            await asyncio.wait_for(self._process.wait(), _EXIT_GRACE_SECONDS)
        await self.stop()
        return WorkerCrashed(
            "the process working on this picture died", exit_status=self._process.returncode
        )

    async def run(self, request: Request, progress: Callable[[float, float], None]) -> JsonObject:
        """Send ``request`` and return the final message; report progress as it arrives.

        ``progress`` takes the share that is done, and the one that the step leads to.
        """
        self.tasks += 1
        self._context = contextvars.copy_context()
        self._stderr.start_task()
        received, log_records, start = 0, 0, time.monotonic()
        given = [Path(path).stat().st_size for path in (request.source, request.watermark) if path]
        size = bytes_in(self._folder) + sum(given)
        prepared = await in_thread_if_large(size, self._prepare, request)
        self._set_limits(request.memory_bytes, self._setup["cpu_seconds"])
        self._send(asdict(prepared))
        try:
            while True:
                message = await self._receive()
                received += 1
                if received > _MESSAGE_BURST + _MESSAGES_PER_SECOND * (time.monotonic() - start):
                    raise ProtocolError("too many messages")
                if isinstance(message, Progress):
                    progress(message.progress, message.until)
                elif isinstance(message, LogMessage):
                    log_records += 1
                    if log_records <= _MAX_LOG_RECORDS:
                        _log_record(message.log.model_dump())
                else:
                    break
            self._set_limits(0, IDLE_CPU_SECONDS)
            size = bytes_in(self._folder)
            return await in_thread_if_large(size, self._collect, message, request, size)
        except ProtocolError as error:
            raise await self._protocol_error(error) from None

    def _prepare(self, request: Request) -> Request:
        """Return ``request`` with its image in the child's folder, emptied before."""
        clear_folder(self._folder)
        limits = self._setup["max_output_pixels"], self._setup["max_pixels"]
        self._quota = DiskQuota.for_request(request, *limits)
        return request.inside(self._folder)

    def _collect(self, message: Message, request: Request, size: float) -> JsonObject:
        """Return the final message, its files copied; empty the folder, of ``size`` bytes."""
        collected = collect(message, request, self._folder, size)
        clear_folder(self._folder)
        return collected

    def kill(self) -> None:
        """Send SIGKILL; ``stop`` also waits for the exit."""
        self._process.kill()

    async def stop(self) -> None:
        self.kill()
        await asyncio.gather(self._stderr.wait_closed(), self._drain(), self._process.wait())
        self._process.close()
        self._watch_task.cancel()
        await asyncio.to_thread(remove_folder, self._folder)

    async def _drain(self) -> None:
        with contextlib.suppress(RuntimeError):  # another coroutine already reads it to its end
            while await self._process.stdout.read(_DRAIN_BYTES):
                pass

    def _set_limits(self, memory: int | None, cpu: float) -> None:
        """Limit what the process may take from now on: ``memory`` bytes, ``cpu`` seconds."""
        with contextlib.suppress(ProcessLookupError):  # it has died: ``_receive`` says so
            task_limits.limit_memory(memory, self.pid)
            self._cpu_limit = task_limits.limit_cpu(cpu, self.pid)

    def used_up(self, memory: int) -> str:
        """Return why no other task may run in it, now that it is idle; else "".

        memory: it keeps more than ``memory`` bytes; recycled: another task could need more
        processor time than it has left.
        """
        if task_limits.keeps_more_than(memory, self._start_bytes, self.pid):
            return "memory"
        left = self._setup["max_cpu_seconds"] - cpu_seconds(self.pid)
        return "recycled" if left < self._setup["cpu_seconds"] else ""

    async def _watch(self) -> None:
        """Kill the process when it exceeds a limit that no kernel enforces, busy or not."""
        while True:
            if await self._quota.is_exceeded(self._folder):
                quota = {"files": self._quota.files, "bytes": self._quota.bytes}
                self._log_warning("child_over_disk_quota", **quota)
                break
            if (
                self._process.pid
                and self.alive
                and (facts := task_limits.exceeded(self.pid, self._cpu_limit))
            ):
                self._log_warning("child_over_limit", **facts)
                break
            await asyncio.sleep(_QUOTA_CHECK_SECONDS)
        self.kill()

    def _log_warning(self, event: str, **facts: Any) -> None:
        """Log under the id of its current or last task."""
        self._context.run(log.warning, event, pid=self._process.pid, **facts)


def _log_record(record: Mapping[str, Any]) -> None:
    """Log a record from a child, which may neither choose a level nor overwrite fields."""
    level = record["level"] if record["level"] in {"info", "warning", "error"} else "warning"
    items = list(record["facts"].items())[:_MAX_LOG_FIELDS]
    facts = {
        f"child_{name[:_MAX_NAME_CHARACTERS]}": str(value)[:_MAX_VALUE_CHARACTERS]
        for name, value in items
    }
    getattr(log, level)(str(record["event"])[:_MAX_NAME_CHARACTERS], **facts)
