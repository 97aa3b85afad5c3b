"""One supervised process: started, restarted when it dies, stopped, its pid on disk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_MIN_RESTART_SECONDS = 0.1  # pause before the first restart; doubles with each death in a row
_MAX_RESTART_SECONDS = 10.0
_HEALTHY_SECONDS = 20.0  # of uptime, after which the pause starts again at the minimum
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to send this process SIGTERM when its parent dies, even by SIGKILL.

    Does nothing on other systems. Runs between fork and exec.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run_in_daemon_thread(call: Callable[[], object]) -> asyncio.Future[object]:
    """Run ``call`` in a daemon thread, which, unlike the loop's executor, does not block exit."""
    done: concurrent.futures.Future[object] = concurrent.futures.Future()

    def run() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(done)


@dataclass
class SupervisedProcess:
    """A process that runs until it is stopped."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    run_dir: Path
    grace_seconds: float = 15.0
    """How long it may take to stop before it is killed."""
    on_death: Callable[[int], None] = lambda pid: None
    """Called with the pid of a process that died without being stopped."""
    output: IO[bytes] | None = None
    fds: Sequence[int] = ()
    """File descriptors that it inherits, e.g. listening sockets."""
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self, ready_fd: int | None = None) -> None:
        """Start the process, in its own session, so that Ctrl-C reaches only the parent.

        ``ready_fd``: the write end of a pipe, see ``models.ready_pipe``.
        """
        ready_arguments = () if ready_fd is None else ("--ready-fd", str(ready_fd))
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            *ready_arguments,
            env=dict(self.environment),
            pass_fds=self.fds if ready_fd is None else (*self.fds, ready_fd),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        self._write_pid(self.process)

    def _write_pid(self, process: asyncio.subprocess.Process) -> None:
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

    async def keep_running(self, ready: Callable[[], object] | None = None) -> None:
        """Restart the process whenever it dies, with growing pauses, until it is stopped.

        ``ready`` is called in a thread after each restart, e.g. to make a database writable again;
        if it raises, the process is killed and restarted.
        """
        loop = asyncio.get_running_loop()
        pause = _MIN_RESTART_SECONDS
        while True:
            assert self.process is not None
            began, process = loop.time(), self.process
            status = await process.wait()
            if self._stopping:
                return
            if process is not self.process:  # replaced by a new one
                continue
            if loop.time() - began > _HEALTHY_SECONDS:
                pause = _MIN_RESTART_SECONDS
            print_status(f"{self.name} ended with status {status}; restarting in {pause:g} s")
            self.on_death(self.process.pid)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_RESTART_SECONDS)
            if self._stopping:
                return
            try:
                await self.start()
                if ready is not None and not self._stopping:
                    await self._until_ready(ready)
            except Exception as error:  # nothing may end the supervision
                print_status(f"{self.name} failed to start: {error}")
                self._kill()
            if self._stopping:
                self._kill()
                return

    async def _until_ready(self, ready: Callable[[], object]) -> None:
        """Return when ``ready`` returns, or when the process has died: then waiting is pointless.

        A thread cannot be ended: one that is left behind runs until it sees the next process, or
        gives up.
        """
        assert self.process is not None
        readying = run_in_daemon_thread(ready)
        ended = asyncio.create_task(self.process.wait())
        either: set[asyncio.Future[Any]] = {readying, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if readying.done():
            ended.cancel()
            await readying
        else:
            readying.add_done_callback(lambda left: left.cancelled() or left.exception())

    async def replace(self, seconds: float) -> bool:
        """Start a new process and, once it is ready, stop the old one.

        The command must accept ``--ready-fd``. Returns False, and keeps the old process, if the
        new one is not ready within ``seconds``.
        """
        old = self.process
        reading, writing = os.pipe()
        try:
            await self.start(ready_fd=writing)
        finally:
            os.close(writing)
        new = self.process
        try:
            async with asyncio.timeout(seconds):
                # Also returns when the process dies: that closes the pipe's write end.
                received = await asyncio.to_thread(os.read, reading, 1)
        except TimeoutError:
            received = b""
        if received or self._stopping:
            await self._end(old)
        else:
            print_status(f"the new {self.name} did not become ready; the old one keeps running")
            if self.process is new and old is not None:
                self._kill()
                self.process = old
                self._write_pid(old)
        os.close(reading)
        return bool(received)

    async def _end(self, process: asyncio.subprocess.Process | None) -> None:
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
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _kill(self) -> None:
        if self.running and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def stop(self) -> None:
        """Send SIGTERM and wait; kill it after ``grace_seconds``."""
        self._stopping = True
        await self._end(self.process)
        self._pid_file.unlink(missing_ok=True)


def print_status(text: str) -> None:
    """Print a line to the terminal (stderr)."""
    print(text, file=sys.stderr, flush=True)


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with ``changes``."""
    return {**os.environ, **changes}
