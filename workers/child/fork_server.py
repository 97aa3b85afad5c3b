"""A process that imports the decoders once and forks the children of a worker.

Importing them takes most of a child's start, and forked children share their memory. The server
reads no image and no message of a child. Commands go through a Unix socket: one byte with the
descriptors of a new child, its standard streams and the pipe that reports its process id and exit
status. When the socket closes, the server kills its children and exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "workers.child"
_PASSED_VARIABLES = (
    *("PATH", "LANG", "LC_ALL", "HOME"),
    *("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV"),
)
"""The only environment variables that a child gets: it needs no address or secret of the stores."""
_MAX_LINE_BYTES = 1024 * 1024  # of a child's message
_DESCRIPTORS = 4  # of a new child: standard input, output and error, and its status pipe


class ForkedProcess:
    """A child of the fork server, with its pipes; made by ``ForkServer.fork``."""

    def __init__(
        self,
        stdin: asyncio.WriteTransport,
        readers: Sequence[asyncio.StreamReader],
        pipes: Sequence[asyncio.ReadTransport],
    ) -> None:
        self.stdin = stdin
        self.stdout, self.stderr, status = readers
        self._pipes = pipes
        self.pid: int | None = None
        """Process id; None until ``started``, and when the server could not fork."""
        self.returncode: int | None = None
        """Exit status, negative for a signal; None while it lives, or when the server died."""
        self._started = asyncio.Event()
        self._exit = asyncio.create_task(self._read_status(status))

    @property
    def alive(self) -> bool:
        return not self._exit.done()

    async def started(self) -> None:
        """Wait until the process id is known or the start has failed."""
        await self._started.wait()

    async def wait(self) -> None:
        """Wait until the process has exited."""
        await asyncio.wait({self._exit})

    def kill(self) -> None:
        """Send SIGKILL if it lives; one whose process id is not yet known exits by itself."""
        if not self.stdin.is_closing():
            self.stdin.abort()
        if self.pid is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close its pipes; unread output is lost."""
        for pipe in self._pipes:
            pipe.close()

    async def _read_status(self, status: asyncio.StreamReader) -> None:
        if line := await status.readline():
            self.pid = int(line)
        self._started.set()
        if line := await status.readline():
            self.returncode = int(line)


class ForkServer:
    """The worker's end of the fork server, which starts with the first ``fork``."""

    def __init__(self, max_pixels: int, openvino: bool) -> None:
        """``max_pixels``: OpenCV reads its limit at import; ``openvino``: import it, too."""
        self._arguments = [str(max_pixels), str(int(openvino))]
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def fork(self) -> ForkedProcess:
        """Return a new child.

        Raises:
            OSError: no process or pipe can be made.
        """
        forking = asyncio.create_task(self._fork())
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:  # its pipes must not be left half connected
            process = await forking
            process.kill()
            await process.wait()
            process.close()
            raise

    def close(self) -> None:
        """Kill the server and with it its children."""
        self._stop()

    def _stop(self) -> None:
        if self._process is not None and self._control is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
            self._process = self._control = None

    async def _fork(self) -> ForkedProcess:
        stdin, *outputs = [os.pipe() for _ in range(_DESCRIPTORS)]
        ours = [stdin[1], *(reading for reading, _ in outputs)]
        theirs = [stdin[0], *(writing for _, writing in outputs)]
        try:
            try:
                socket.send_fds(self._running(), [b"f"], theirs)
            except BrokenPipeError:  # it has just died
                self._stop()
                socket.send_fds(self._running(), [b"f"], theirs)
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        loop = asyncio.get_running_loop()
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(ours[0], "wb", 0))
        readers = [asyncio.StreamReader(limit=_MAX_LINE_BYTES) for _ in ours[1:]]
        pipes: list[asyncio.ReadTransport] = []
        for reader, fd in zip(readers, ours[1:], strict=True):
            protocol = partial(asyncio.StreamReaderProtocol, reader)
            pipe, _ = await loop.connect_read_pipe(protocol, os.fdopen(fd, "rb", 0))
            pipes.append(pipe)
        return ForkedProcess(writer, readers, pipes)

    def _running(self) -> socket.socket:
        """Return the control socket of a living server; a dead one is replaced."""
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._control is None:
            self._control, theirs = socket.socketpair()
            environment = {n: os.environ[n] for n in _PASSED_VARIABLES if n in os.environ}
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", _PROGRAM, *self._arguments],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd=_ROOT,
                    env=environment,
                    start_new_session=True,  # a Ctrl-C is the worker's to handle
                )
        return self._control


def serve(run_child: Callable[[], None]) -> None:
    """Fork a child for each command on standard input, a socket; return when it closes.

    In a child, descriptors 0 to 2 are its own and all others of the server are closed; it leaves
    ``run_child`` only to exit.
    """
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    wakeup, signalled = socket.socketpair()
    wakeup.setblocking(False)
    signalled.setblocking(False)
    signal.set_wakeup_fd(signalled.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}
    gc.freeze()  # a collection in a child would write to every shared page
    while True:
        ready, _, _ = select.select([control, wakeup], [], [])
        if wakeup in ready:
            wakeup.recv(4096)
            _reap(statuses)
        if control in ready:
            command, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
            if not command:
                break
            _fork(run_child, descriptors, statuses)
    for pid in statuses:
        os.kill(pid, signal.SIGKILL)


def _fork(run_child: Callable[[], None], descriptors: list[int], statuses: dict[int, int]) -> None:
    *streams, status = descriptors
    try:
        pid = os.fork()
    except OSError:  # the closed pipes tell the worker
        streams.append(status)
    else:
        if pid == 0:
            _run_forked(run_child, streams)
        statuses[pid] = status
        _report(status, pid)
    for fd in streams:
        os.close(fd)


def _reap(statuses: dict[int, int]) -> None:
    """Report the exit status of each dead child."""
    for pid, status in list(statuses.items()):
        dead, waited = os.waitpid(pid, os.WNOHANG)
        if dead:
            _report(status, os.waitstatus_to_exitcode(waited))
            os.close(statuses.pop(pid))


def _report(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{number}\n".encode())


def _run_forked(run_child: Callable[[], None], streams: list[int]) -> NoReturn:
    exit_status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        run_child()
        exit_status = 0
    except SystemExit as error:
        exit_status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(exit_status)
