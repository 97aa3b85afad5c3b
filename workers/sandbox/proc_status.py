"""Memory and processor time of a process (memory: Linux; elsewhere 0)."""

from __future__ import annotations

import resource
from pathlib import Path


def virtual_bytes() -> int:
    """Return the bytes of this process's address space, as RLIMIT_AS counts them."""
    return _status_bytes("VmSize")


def data_bytes() -> int:
    """Return the bytes of this process's writable memory, as RLIMIT_DATA counts them."""
    return _status_bytes("VmData")


def resident_bytes(pid: int | None = None) -> int:
    """Return the bytes of resident memory of the process ``pid``; None: of this one."""
    return _status_bytes("VmRSS", pid)


def cpu_seconds() -> float:
    """Return the processor time used by all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _status_bytes(field: str, pid: int | None = None) -> int:
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
    except (OSError, StopIteration):
        return 0
