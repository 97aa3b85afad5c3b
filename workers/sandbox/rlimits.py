"""Limits that a child lives with (setrlimit(2)); those of one task are ``workers.child.task_limits``'s.

RLIMIT_NPROC is left alone: it counts all threads of the user, those of the stores and the service
too, so that none is small enough to keep a child from starting programs and large enough to let it
start threads. ``syscalls`` refuses new processes.
"""

from __future__ import annotations

import os
import resource

from workers.sandbox import proc_status

FILES = 64
"""Open at once: a child has four, and opens a picture, a result and a network beside them."""

_LIBRARIES = 4 << 30  # bytes: code and networks that are mapped, about 1 GiB; the rest is room
_HEAPS = 1 << 30  # bytes a core: glibc reserves 128 MiB for each of the heaps of up to 8 threads
# Not models.settings.cores: glibc and the libraries' pools count the affinity's, whatever the quota
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hold(memory: int, file: int) -> None:
    """Hold this process to ``memory`` bytes beside what it has, and files of ``file`` bytes.

    RLIMIT_DATA is what holds: of what may be written to, all is counted but what is shared.
    RLIMIT_AS counts that too, but also what is only reserved, which is many times as much.

    Raises:
        OSError: a limit cannot be set.
    """
    _cut(resource.RLIMIT_CORE, 0)  # a core file would hold somebody's picture
    _cut(resource.RLIMIT_NOFILE, FILES)
    _cut(resource.RLIMIT_FSIZE, file)
    _cut(resource.RLIMIT_DATA, proc_status.data() + memory)
    _cut(resource.RLIMIT_AS, proc_status.addresses() + memory + _LIBRARIES + _HEAPS * _CORES)


def _cut(what: int, value: int) -> None:
    """Set both limits, so that nothing the process does raises them again; never raise one."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
