"""One supervised process: started, restarted when it dies, stopped, its pid on disk."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_MIN_RESTART_SECONDS = 0.1  # pause before the first restart; doubles with each death in a row
_MAX_RESTART_SECONDS = 10.0
_HEALTHY_SECONDS = 20.0  # of uptime, after which the pause starts again at the minimum
_PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """Darkroom cannot start here; the text says why and what to do."""


async def _at_once() -> None:
    """The check of a process that needs none."""


@dataclass
class SupervisedProcess:
    """A process that runs until it is stopped."""

    name: str
    command: Sequence[str]
    run_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Changes to the environment of this process."""
    grace_seconds: float = 15.0
    """How long it may take to stop before it is killed."""
    on_death: Callable[[int], None] = lambda pid: None
    """Called with the pid of a process that died without being stopped."""
    ready: Callable[[], Coroutine[Any, Any, None]] = _at_once
    """Awaited after each restart, e.g. until a database is writable; if it raises, the process is
    killed and restarted."""
    output: IO[bytes] | None = None
    fds: Sequence[int] = ()
    """File descriptors that it inherits, e.g. listening sockets."""
    process: Process | None = field(default=None, init=False)
    _keeper: asyncio.Task[None] | None = field(default=None, init=False)
    _replaced: asyncio.Task[None] | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start the process, and restart it whenever it dies, with growing pauses."""
        self._set_process(await self._launch())
        self._keeper = asyncio.create_task(self._keep_running())

    async def _launch(self, *arguments: str, fds: Sequence[int] = ()) -> Process:
        """Start a process in its own session, so that Ctrl-C reaches only the parent."""
        return await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            env={**os.environ, **self.environment},
            pass_fds=(*self.fds, *fds),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def _set_process(self, process: Process) -> None:
        self.process = process
        self.run_dir.mkdir(parents=True, exist_ok=True)
        part = self._pid_file.with_suffix(".part")
        part.write_text(f"{process.pid}\n")
        part.replace(self._pid_file)

    @property
    def _pid_file(self) -> Path:
        return self.run_dir / f"{self.name}.pid"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def _keep_running(self) -> None:
        loop, pause = asyncio.get_running_loop(), _MIN_RESTART_SECONDS
        while True:
            began, process = loop.time(), self.process
            assert process is not None
            status = await process.wait()
            if process is not self.process:  # replaced by a new one
                continue
            if loop.time() - began > _HEALTHY_SECONDS:
                pause = _MIN_RESTART_SECONDS
            self.on_death(process.pid)
            print_status(f"{self.name} ended with status {status}; restarting in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_RESTART_SECONDS)
            try:
                started = await self._launch()
                if process is not self.process:  # replaced meanwhile
                    _kill(started)
                    await started.wait()
                    continue
                self._set_process(started)
                await self._until_ready(started)
            except Exception as error:  # nothing may end the supervision
                print_status(f"{self.name} failed to start: {error}")
                _kill(self.process)

    async def _until_ready(self, process: Process) -> None:
        """Return when it is ready, or has died: then waiting is pointless."""
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self.ready())
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                await ready
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def replace(self, seconds: float) -> bool:
        """Start a new process and, once it is ready, stop the old one.

        The command must accept ``--ready-fd``, see ``models.ready_pipe``. Returns False, and keeps
        the old process, if the new one is not ready within ``seconds``.
        """
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        reading, writing = os.pipe()
        loop.add_reader(reading, answered.set)  # also when it dies: that closes its end
        new = None
        try:
            try:
                new = await self._launch("--ready-fd", str(writing), fds=[writing])
            finally:
                os.close(writing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await answered.wait()
            if answered.is_set() and os.read(reading, 1):
                old = self.process
                self._set_process(new)
                # A task of its own: ``stop`` may cancel the replacement, but waits for this one.
                self._replaced = asyncio.create_task(self._end(old))
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            if new is not None and new is not self.process:
                _kill(new)
                await new.wait()
        if new is self.process and self._replaced is not None:
            await asyncio.shield(self._replaced)
            return True
        print_status(f"the new {self.name} did not become ready; the old one keeps running")
        return False

    async def _end(self, process: Process | None) -> None:
        """Send SIGTERM and wait; kill it after ``grace_seconds``."""
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            status = await asyncio.wait_for(process.wait(), self.grace_seconds)
            print_status(f"{self.name} ({process.pid}) ended with status {status}")
        except TimeoutError:
            print_status(f"{self.name} did not stop within {self.grace_seconds:g} s; killing it")
            _kill(process)
            await process.wait()

    async def stop(self) -> None:
        """Send SIGTERM and wait; kill it after ``grace_seconds``."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._end(self.process)
        if self._replaced is not None:
            await self._replaced
        self._pid_file.unlink(missing_ok=True)


def _kill(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def _die_with_parent() -> None:
    """Ask Linux to send this process SIGTERM when its parent dies, even by SIGKILL.

    Does nothing on other systems. Runs between fork and exec.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def print_status(text: str) -> None:
    """Print a line to the terminal (stderr)."""
    with contextlib.suppress(OSError):  # it is a file on a full disk: that must not end supervision
        print(text, file=sys.stderr, flush=True)
