"""Limits of a child for its whole life (setrlimit(2)); ``workers.child.task_limits`` has a task's.

RLIMIT_NPROC is not set: it counts all threads of the user, those of the stores and the service too,
and none of root's. ``seccomp`` refuses new processes, and the worker counts a child's threads.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from pathlib import Path

from workers.sandbox.proc_status import memory_bytes

MAX_OPEN_FILES = 64
"""A child has four open, and opens an image, a result and a network beside them."""

_LIBRARY_BYTES = 4 << 30  # mapped code and networks take about 1 GiB; the rest is spare
_HEAP_BYTES_PER_CORE = 1 << 30  # glibc reserves 128 MiB for each heap of up to 8 threads
# Not models.settings.cores: glibc and the libraries' pools count the affinity's, whatever the quota
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def apply(memory: int, file: int, cpu: float) -> None:
    """Limit this process to ``memory`` bytes, files of ``file`` bytes, ``cpu`` processor seconds.

    RLIMIT_DATA is the effective limit: it counts all writable memory, and ``seccomp`` refuses the
    two kinds that it does not count. RLIMIT_AS also counts memory that is only reserved, which is
    many times as much.

    Raises:
        OSError: a limit cannot be set.
    """
    _lower(resource.RLIMIT_CORE, 0)  # a core file would hold a user's image
    _lower(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, file)
    _lower(resource.RLIMIT_CPU, math.ceil(cpu))
    _lower(resource.RLIMIT_DATA, memory)
    _lower(
        resource.RLIMIT_AS,
        memory_bytes("VmSize") + memory + _LIBRARY_BYTES + _HEAP_BYTES_PER_CORE * _CORES,
    )
    with contextlib.suppress(OSError):  # when memory runs out, a child goes first, not a store
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(limit: int, value: int) -> None:
    """Set the soft and the hard limit, so that the process cannot raise them; never raise one."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
