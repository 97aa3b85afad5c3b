"""``python -m tests.support.sandbox_probe``: a real child that tries what a taken-over one would.

All of ``workers.child`` runs, start-up and sandbox included; only a task that names a probe runs
that probe instead. ``LANG=lacks-files`` simulates a kernel without that layer,
``LANG=lacks-truncate`` Landlock before Linux 6.2: LANG is one of the few variables a child gets.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers import sandbox
from workers.child import __main__ as child
from workers.child.request import Request

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *values: int) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, values)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _thread() -> str:
    outcomes: list[str] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(_outcome(lambda _: socket.socket(), ""))
    )
    thread.start()
    thread.join()
    return f"a thread is refused: {outcomes[0]}"


def _endless(_: str) -> None:
    re.match(r"(a+)+b", "a" * 60)  # endless C code that holds the GIL


def _grow(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _map(flags: int) -> int:
    """Return how many of 10,000 GiB of anonymous memory it gets."""
    maps = []
    with contextlib.suppress(OSError, MemoryError):
        for _ in range(10_000):
            maps.append(mmap.mmap(-1, 1 << 30, flags | mmap.MAP_ANONYMOUS))
    return len(maps)


_reserved: list[mmap.mmap] = []


def _raise_limits() -> list[str]:
    """Return the limits that it could set to their hard limit or without it."""
    raised = []
    for name in ("CPU", "DATA", "AS", "NOFILE", "FSIZE", "STACK", "CORE"):
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        for value in (hard, resource.RLIM_INFINITY):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (value, hard))
                raised.append(name)
    return raised


def _start_threads() -> None:
    """Start thousands of threads, then wait to be killed."""
    threading.stack_size(32768)
    for _ in range(4000):
        try:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        except RuntimeError:
            break
    time.sleep(600)


def _burn(_: str = "") -> None:
    """Use a processor without end; only SIGKILL stops it."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    _burn_on()


def _burn_on() -> None:
    while True:
        hashlib.pbkdf2_hmac("sha256", b"x", b"x", 1_000_000)  # C code without the GIL


def _burn_later() -> None:
    """Use a processor after the task, which ends at once."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    for _ in range(2):
        threading.Thread(target=_burn_on, daemon=True).start()


def _read_proc() -> list[str]:
    """Return what it reads below /proc/self, where no other process is shown."""
    found = []
    for folder in ("", "/net", "/ns", "/task", "/fd", f"/task/{os.getpid()}"):
        with contextlib.suppress(OSError):
            list(Path(f"/proc/self{folder}").iterdir())
            found.append(f"list {folder}")
    for name in _PROC_NAMES:
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{name}").read_bytes()
            found.append(name)
    return found


_PROC_NAMES = (
    *("cgroup", "mountinfo", "mounts", "mountstats", "net/tcp", "net/unix", "net/arp", "net/route"),
    *("net/dev", "environ", "cmdline", "auxv", "limits", "cpuset", "smaps", "status", "maps"),
    *(f"../thread-self/{name}" for name in ("net/tcp", "mountinfo", "cgroup", "status")),
)


def _open(path: str, flags: int) -> int:
    """Open and close ``path`` with open(2), which C libraries no longer call, where it exists."""
    name = ctypes.create_string_buffer(path.encode())
    has_open = os.uname().machine == "x86_64"
    call = [2] if has_open else [56, -100]  # openat, AT_FDCWD
    fd = _call(*call, ctypes.addressof(name), flags, 0)
    os.close(fd)
    return fd


def _fill(path: str, files: int, size: int) -> None:
    """Create ``files`` files of ``size`` bytes, then wait to be killed."""
    for number in range(files):
        fd = os.open(f"{path}/more-{number}", os.O_WRONLY | os.O_CREAT)
        for _ in range(size >> 20):
            os.write(fd, os.urandom(1 << 20))
        os.close(fd)
    time.sleep(600)


def _write(fd: int, text: bytes, times: int) -> None:
    for _ in range(times):
        os.write(fd, text)


def _abort(_: str) -> None:
    _write(2, b"one of many\n", 500)
    os.write(2, b"reason of the crash")
    os.abort()


_MESSAGES_FD = 3
"""Descriptor of a child's messages: the first that it opens."""

PROBES: dict[str, Callable[[str], Any]] = {
    "socket": lambda _: socket.socket(),
    "unix socket": lambda _: socket.socket(socket.AF_UNIX),
    "socket pair": lambda _: socket.socketpair(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "exec": lambda _: os.execv("/bin/true", ["true"]),
    "fork": lambda _: os.fork(),
    "program": lambda _: subprocess.run(["/bin/true"], check=True),
    "ptrace": lambda _: _call({"x86_64": 101}.get(os.uname().machine, 117), 16, os.getppid()),
    "io_uring": lambda _: _call(425, 1, 0),
    "userns": lambda _: _call({"x86_64": 272}.get(os.uname().machine, 97), 0x10000000),
    "kill": lambda _: os.kill(os.getppid(), 0),
    "kill all": lambda _: os.kill(-1, 0),
    "chmod": lambda path: Path(path).chmod(0o777),
    "read": lambda path: Path(path).read_bytes()[:10].decode("latin-1"),
    "list": lambda path: sorted(map(str, Path(path).iterdir())),
    "write": lambda path: Path(path).write_text("mine"),
    "append": lambda path: Path(path).open("a"),  # noqa: SIM115
    "truncate": lambda path: os.truncate(path, 0),
    "grow": lambda path: _grow(Path(path)),
    "delete": lambda path: Path(path).unlink(),
    "link": lambda path: Path(path).symlink_to("/etc/passwd"),
    "environment": lambda _: sorted(os.environ),
    "parent": lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "parent memory": lambda _: Path(f"/proc/{os.getppid()}/mem").open("rb"),  # noqa: SIM115
    "own status": lambda _: Path("/proc/self/status").read_text(),
    "files": lambda _: [os.open("/dev/null", os.O_RDONLY) for _ in range(1000)],
    "private memory": lambda _: _map(mmap.MAP_PRIVATE),
    "shared memory": lambda _: _map(mmap.MAP_SHARED),
    "stack memory": lambda _: _map(mmap.MAP_PRIVATE | 0x100),  # MAP_GROWSDOWN
    "reserve": lambda _: _reserved.append(mmap.mmap(-1, 500 << 20, mmap.MAP_PRIVATE)),
    "raise limits": lambda _: _raise_limits(),
    "threads": lambda _: _start_threads(),
    "threads later": lambda _: threading.Timer(0.1, _start_threads).start(),
    "burn": _burn,
    "burn later": lambda _: _burn_later(),
    "proc": lambda _: _read_proc(),
    "limits": lambda _: {
        name: resource.getrlimit(getattr(resource, name))[1]
        for name in ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_CPU")
    },
    "thread": lambda _: _thread(),
    "endless": _endless,
    "empty": lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
    "empty by open": lambda path: _open(path, os.O_RDONLY | os.O_TRUNC),
    "access mode 3": lambda path: os.open(path, os.O_ACCMODE),
    "access mode 3 by open": lambda path: _open(path, os.O_ACCMODE | os.O_TRUNC),
    "openat2": lambda _: _call(437, -100, 0, 0, 0),
    "unnamed file": lambda path: os.open(path, os.O_TMPFILE | os.O_RDWR, 0o600),
    "rename": lambda path: Path(path).rename(f"{path}-2"),
    "affinity": lambda pid: os.sched_setaffinity(int(pid), os.sched_getaffinity(0)),
    "read 2": lambda _: os.read(2, 10),
    "empty 2": lambda _: os.ftruncate(2, 0),
    "unblock 2": lambda _: os.set_blocking(2, False),
    "many files": lambda path: _fill(path, 50, 0),
    "large files": lambda path: _fill(path, 2, 64 << 20),
    "write stderr": lambda text: _write(2, text.encode(), 1),
    "flood stderr": lambda text: _write(2, text.encode() * 1000, 500),
    "flood messages": lambda text: _write(_MESSAGES_FD, text.encode() * 1000, 10_000),
    "abort": _abort,
    "decoders": lambda _: _decoders(),
}


def _decoders() -> list[str]:
    from PIL import Image

    return sorted(Image.OPEN)


def _outcome(probe: Callable[[str], Any], path: str) -> str:
    try:
        return f"done: {probe(path)}"
    except OSError as error:
        return f"refused: {error.strerror}"
    except ValueError as error:
        return f"refused: {error}"


def _process(request: Request, tools: Any, output: Any) -> dict[str, Any]:
    for operation in request.operations:
        if "probe" in operation:
            path = str(operation.get("path", "")).replace("OWN", request.folder)
            outcome = _outcome(PROBES[operation["probe"]], path)
            if "message" in operation:  # a false message instead of the outcome
                return dict(operation["message"])
            return {"error": {"code": "bad_image", "detail": outcome}}
    return _real(request, tools, output)


_real = child._process


def _disable_layer(layer: str) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    replacement = {
        "files": (sandbox.landlock, "restrict", refuse),
        "calls": (sandbox.seccomp, "install_filter", refuse),
        "truncate": (sandbox.landlock, "abi_version", lambda: 2),
    }
    setattr(*replacement[layer])


if __name__ == "__main__":
    child._process = _process
    if os.environ.get("LANG", "").startswith("lacks-"):
        _disable_layer(os.environ["LANG"].removeprefix("lacks-"))
    child.main()
