"""The last line: a child that wants far more memory than was predicted is refused it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import cv2

from models.errors import TooMuchMemory

_SLACK = 512_000_000  # bytes: allocators keep some, compilers of networks take some
_NO_MEMORY = ("bad_alloc", "Failed to allocate", "can't alloc", "could not allocate")
_STACK = 16_000_000  # bytes a thread may add to its process, most of it never touched


def limit(need: int | None) -> None:
    """Hold this process to a quarter more than ``need`` bytes beside what it has by now.

    RLIMIT_DATA counts what may be written to; RLIMIT_AS would count mapped libraries, too. Only the
    soft limit is set, so that the next task may have more. What earlier tasks left behind is not
    this one's: a child that holds too much is replaced (``workers.children``).
    """
    if need is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = _now("VmData") + need * 5 // 4 + _SLACK + _STACK * (os.cpu_count() or 1)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def held() -> int:
    """Return the bytes of memory that this process has in use (Linux; else 0)."""
    return _now("VmRSS")


def _now(what: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{what}:")).split()[1])
    except (OSError, StopIteration):
        return 0


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
