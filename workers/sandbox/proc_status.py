"""Memory of a process, as the kernel counts it (Linux; elsewhere 0)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def memory_bytes(field: Literal["VmSize", "VmData", "VmRSS"], pid: int | None = None) -> int:
    """Return a field of /proc/PID/status in bytes; ``pid`` None: of this process.

    VmSize: address space, as RLIMIT_AS counts it. VmData: writable memory, as RLIMIT_DATA counts
    it. VmRSS: resident memory.
    """
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
    except (OSError, StopIteration):
        return 0
