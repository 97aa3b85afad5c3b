"""Limits of memory and processor time for one task, by setrlimit(2)."""

from __future__ import annotations

import math
import os
import resource
import time

from workers.sandbox.proc_status import memory_bytes

_SLACK_BYTES = 512_000_000  # for allocators and for compiling networks
_STACK_BYTES_PER_THREAD = 16_000_000  # reserved, most of it never touched


def limit_memory(need: int | None) -> None:
    """Allow this process a quarter more than ``need`` bytes beside what it has now; None: no limit.

    RLIMIT_DATA counts writable memory; RLIMIT_AS would count mapped libraries too. Only the soft
    limit is set, so that the next task may have more. Memory left by earlier tasks does not count
    here: a child that keeps too much is replaced (``workers.child.pool``).
    """
    if need is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = (
        memory_bytes("VmData")
        + need * 5 // 4
        + _SLACK_BYTES
        + _STACK_BYTES_PER_THREAD * (os.cpu_count() or 1)
    )
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def limit_cpu(seconds: float) -> None:
    """Allow this process ``seconds`` more of processor time; then SIGXCPU kills it.

    A worker kills a child that times out long before that. When the worker itself hangs, nothing
    else would stop C code that never returns. Only the soft limit is set, so that the next task can
    raise it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + seconds)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
