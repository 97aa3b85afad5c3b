"""The last line: a child that wants far more memory than was predicted is refused it."""

from __future__ import annotations

import math
import os
import resource

import cv2

from models.errors import TooMuchMemory
from workers.sandbox import proc_status

_SLACK = 512_000_000  # bytes: allocators keep some, compilers of networks take some
_NO_MEMORY = ("bad_alloc", "Failed to allocate", "can't alloc", "could not allocate")
_STACK = 16_000_000  # bytes a thread may add to its process, most of it never touched


def limit(need: int | None) -> None:
    """Hold this process to a quarter more than ``need`` bytes beside what it has by now.

    RLIMIT_DATA counts what may be written to; RLIMIT_AS would count mapped libraries, too. Only the
    soft limit is set, so that the next task may have more. What earlier tasks left behind is not
    this one's: a child that holds too much is replaced (``workers.child.pool``).
    """
    if need is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = proc_status.data() + need * 5 // 4 + _SLACK + _STACK * (os.cpu_count() or 1)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def hurry(seconds: float) -> None:
    """Let this process use ``seconds`` of processor time from now on; then it is killed (SIGXCPU).

    A worker kills a late child long before that. Where the worker itself stands still, nobody else
    would stop C code that never comes back. Only the soft limit is set: a child lives on, and so
    does its count.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(proc_status.seconds() + seconds)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def is_shortage(error: Exception) -> bool:
    """Tell whether memory was refused, however the library that asked says so."""
    if isinstance(error, cv2.error) and error.code == cv2.Error.STS_NO_MEM:
        return True
    return isinstance(error, MemoryError) or any(word in str(error) for word in _NO_MEMORY)


def shortage(need: int) -> TooMuchMemory:
    return TooMuchMemory(
        f"the picture took far more memory than the {need // 1_000_000} MB predicted for it, and "
        "was stopped",
        setting="MEMORY_BUDGET",
        limit=need,
    )
