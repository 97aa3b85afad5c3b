"""Memory and processor time of this process (memory: Linux; elsewhere 0)."""

from __future__ import annotations

import resource
from pathlib import Path


def virtual_bytes() -> int:
    """Return the bytes of its address space, as RLIMIT_AS counts them."""
    return _status_bytes("VmSize")


def data_bytes() -> int:
    """Return the bytes of its writable memory, as RLIMIT_DATA counts them."""
    return _status_bytes("VmData")


def resident_bytes() -> int:
    """Return the bytes of its resident memory."""
    return _status_bytes("VmRSS")


def cpu_seconds() -> float:
    """Return the processor time used by all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _status_bytes(field: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
    except (OSError, StopIteration):
        return 0
