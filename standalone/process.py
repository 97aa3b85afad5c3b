"""One child process: started, watched, stopped, its process id on disk."""

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

_FIRST_PAUSE = 0.1  # seconds before the first restart; doubles with each death in a row
_LONGEST_PAUSE = 10.0
_HEALTHY_AFTER = 20.0  # seconds of life after which a death is the first of a new row
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to send this process SIGTERM when its parent dies, however that dies.

    A no-op elsewhere. Runs between fork and exec.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def beside(call: Callable[[], object]) -> asyncio.Future[object]:
    """Run ``call`` in a thread that, unlike the loop's own, holds nobody up who wants to end."""
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
class Program:
    """A program that is to run until it is stopped."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    run_dir: Path
    grace: float = 15.0
    """Seconds it may take to stop before it is killed."""
    died: Callable[[int], None] = lambda pid: None
    """Called with the process id of a process that died unasked."""
    output: IO[bytes] | None = None
    fds: Sequence[int] = ()
    """Descriptors that it inherits, e.g. the sockets it listens on."""
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self, ready_fd: int | None = None) -> None:
        """Start the process; in a session of its own, so that a Ctrl-C reaches only the parent.

        ``ready_fd``: the writing end of a pipe, see ``models.ready_pipe``.
        """
        told = () if ready_fd is None else ("--ready-fd", str(ready_fd))
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            *told,
            env=dict(self.environment),
            pass_fds=self.fds if ready_fd is None else (*self.fds, ready_fd),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        self._note(self.process)

    def _note(self, process: asyncio.subprocess.Process) -> None:
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

    async def keep(self, ready: Callable[[], object] | None = None) -> None:
        """Restart the process whenever it dies, after growing pauses, until it is stopped.

        ``ready`` is called in a thread after each restart, e.g. to make a database writable again;
        if it raises, the process is killed and started once more.
        """
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            assert self.process is not None
            began, process = loop.time(), self.process
            status = await process.wait()
            if self._stopping:
                return
            if process is not self.process:  # it was replaced
                continue
            if loop.time() - began > _HEALTHY_AFTER:
                pause = _FIRST_PAUSE
            say(f"{self.name} ended with status {status}; restarting in {pause:g} s")
            self.died(self.process.pid)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if self._stopping:
                return
            try:
                await self.start()
                if ready is not None and not self._stopping:
                    await self._until_ready(ready)
            except Exception as error:  # whatever it was, it must not end the keeping
                say(f"{self.name} does not come up: {error}")
                self._kill()
            if self._stopping:
                self._kill()
                return

    async def _until_ready(self, ready: Callable[[], object]) -> None:
        """Return when ``ready`` has, or the process has died: then nothing is to be waited for.

        A thread cannot be ended: one that is left behind runs until it sees the next process, or
        gives up.
        """
        assert self.process is not None
        readying = beside(ready)
        ended = asyncio.create_task(self.process.wait())
        either: set[asyncio.Future[Any]] = {readying, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if readying.done():
            ended.cancel()
            await readying
        else:
            readying.add_done_callback(lambda left: left.cancelled() or left.exception())

    async def replace(self, seconds: float) -> bool:
        """Start the program anew and, once the new one is ready, stop the old one.

        The command must take ``--ready-fd``. False, and the old one stays, if the new one is not
        ready within ``seconds``.
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
                # Ends when the process does, too: with it goes the pipe's other end.
                said = await asyncio.to_thread(os.read, reading, 1)
        except TimeoutError:
            said = b""
        if said or self._stopping:
            await self._end(old)
        else:
            say(f"the new {self.name} is not ready; the old one stays")
            if self.process is new and old is not None:
                self._kill()
                self.process = old
                self._note(old)
        os.close(reading)
        return bool(said)

    async def _end(self, process: asyncio.subprocess.Process | None) -> None:
        """Send SIGTERM and wait; kill what has not ended after ``grace`` seconds."""
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            status = await asyncio.wait_for(process.wait(), self.grace)
            say(f"{self.name} ({process.pid}) ended with status {status}")
        except TimeoutError:
            say(f"{self.name} did not stop within {self.grace:g} s and is killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _kill(self) -> None:
        if self.running and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def stop(self) -> None:
        """Send SIGTERM and wait; kill what has not ended after ``grace`` seconds."""
        self._stopping = True
        await self._end(self.process)
        self._pid_file.unlink(missing_ok=True)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with ``changes``."""
    return {**os.environ, **changes}
