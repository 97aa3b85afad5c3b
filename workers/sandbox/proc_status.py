"""What this process takes of its machine (Linux; elsewhere 0)."""

from __future__ import annotations

import resource
from pathlib import Path


def addresses() -> int:
    """Return the bytes of its address space, as RLIMIT_AS counts them."""
    return _now("VmSize")


def data() -> int:
    """Return the bytes that it may write to, as RLIMIT_DATA counts them."""
    return _now("VmData")


def held() -> int:
    """Return the bytes of memory that it has in use."""
    return _now("VmRSS")


def seconds() -> float:
    """Return the processor time that it has used, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _now(what: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{what}:")).split()[1])
    except (OSError, StopIteration):
        return 0
