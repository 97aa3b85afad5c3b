"""What the kernel counts of a process: memory, threads, processor time (Linux; elsewhere 0)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

_SCHEDULER_CLOCK = 2  # CPUCLOCK_SCHED


def memory_bytes(field: Literal["VmSize", "VmData", "VmRSS"], pid: int | None = None) -> int:
    """Return a field of /proc/PID/status in bytes; ``pid`` None: of this process.

    VmSize: address space, as RLIMIT_AS counts it. VmData: writable memory, as RLIMIT_DATA counts
    it. VmRSS: resident memory.
    """
    return 1024 * _status(field, pid)


def thread_count(pid: int) -> int:
    """Return the number of threads of a process."""
    return _status("Threads", pid)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process, as RLIMIT_CPU counts it."""
    try:
        return time.clock_gettime(~pid << 3 | _SCHEDULER_CLOCK)  # as clock_getcpuclockid(3) does
    except OSError:
        return 0


def _status(field: str, pid: int | None) -> int:
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
    except (OSError, StopIteration):
        return 0
