"""The last line: a child that wants far more memory than was predicted is refused it."""

from __future__ import annotations

import os
import resource
from functools import lru_cache
from pathlib import Path

import cv2

from models.errors import TooMuchMemory

_SLACK = 512_000_000  # bytes: allocators keep some, compilers of networks take some
_STACK = 16_000_000  # bytes a thread may add to its process, most of it never touched


def limit(need: int | None) -> None:
    """Hold this process to a quarter more than ``need`` bytes beside what it began with.

    RLIMIT_DATA counts what may be written to; RLIMIT_AS would count mapped libraries, too. Only the
    soft limit is set, so that the next task may have more.
    """
    if need is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = _began_with() + need * 5 // 4 + _SLACK + _STACK * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@lru_cache(maxsize=1)
def _began_with() -> int:
    """Return the bytes of data this process had at its first task (Linux; else 0)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmData:")).split()[1])
    except (OSError, StopIteration):
        return 0


def is_shortage(error: Exception) -> bool:
    """Tell whether memory was refused, however the library that asked says so."""
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.STS_NO_MEM or "bad_alloc" in str(error)
    return isinstance(error, MemoryError)


def shortage(need: int) -> TooMuchMemory:
    return TooMuchMemory(
        f"the picture took far more memory than the {need // 1_000_000} MB predicted for it, and "
        "was stopped",
        setting="MEMORY_BUDGET",
        limit=need,
    )
