"""Limits of one task, which the worker sets on a child (prlimit(2)) and watches.

A child cannot change a limit: its sandbox refuses setrlimit. So soft limits hold, and the worker
raises them for the next task. Linux lets only root raise a hard limit, so hard ones are for the
whole life of a child (``workers.sandbox.rlimits``).
"""

from __future__ import annotations

import math
import os
import resource
import sys

from workers.sandbox.proc_status import cpu_seconds, memory_bytes, thread_count

_CORES = os.cpu_count() or 1
MAX_THREADS = 32 + 32 * _CORES
"""Threads of a child. Each of OpenCV, OpenBLAS and TBB starts one for each core, and so does every
network in OpenVINO; a dozen networks fill the memory that a child may keep."""
IDLE_CPU_SECONDS = 5.0
"""Processor time of a child between two tasks; a sound one needs a few milliseconds."""
_SLACK_BYTES = 512_000_000  # for allocators and for compiling networks
_STACK_BYTES = 16_000_000  # of a thread: reserved, most of it never touched


def limit_memory(need: int | None, pid: int = 0) -> None:
    """Allow a process a quarter more than ``need`` bytes beside what it has; None: its hard limit.

    ``pid`` 0: this process. RLIMIT_DATA counts writable memory; RLIMIT_AS would count mapped
    libraries too. Memory left by earlier tasks does not count here: a child that keeps too much is
    replaced (``workers.child.pool``).

    Raises:
        OSError: the kernel refuses.
    """
    held = memory_bytes("VmData", pid or None)
    if sys.platform == "linux" and held:
        more = math.inf if need is None else need * 5 // 4 + _SLACK_BYTES
        _set_soft_limit(pid, resource.RLIMIT_DATA, held + more + _STACK_BYTES * _CORES)


def limit_cpu(seconds: float, pid: int) -> int:
    """Allow a process ``seconds`` more of processor time; return the total that it may reach.

    A worker kills a child that times out long before that. When the worker itself hangs, nothing
    else would stop C code that never returns: SIGXCPU does, and one that ignores it dies at its
    hard limit.

    Raises:
        OSError: the kernel refuses.
    """
    total = math.ceil(cpu_seconds(pid) + seconds)
    _set_soft_limit(pid, resource.RLIMIT_CPU, total)
    return total


def keeps_more_than(memory: int, start: int, pid: int) -> bool:
    """Return whether an idle child keeps more than ``memory`` bytes, be they only reserved.

    ``start``: writable memory before its first task.
    """
    reserved = memory_bytes("VmData", pid) - start - MAX_THREADS * _STACK_BYTES
    return max(memory_bytes("VmRSS", pid), reserved) > memory


def exceeded(pid: int, cpu_limit: float) -> dict[str, float]:
    """Return the limit that a child exceeds, which no kernel enforces, and its measure; else {}."""
    for limit, measured, allowed in (
        ("threads", thread_count(pid), MAX_THREADS),
        ("cpu_seconds", cpu_seconds(pid), cpu_limit),
    ):
        if measured > allowed:
            return {limit: measured, "limit": allowed}
    return {}


def _set_soft_limit(pid: int, limit: int, value: float) -> None:
    if sys.platform == "linux":
        _, hard = resource.prlimit(pid, limit)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        soft = resource.RLIM_INFINITY if value == math.inf else int(value)
        resource.prlimit(pid, limit, (soft, hard))
