"""Blocking work on files: in a thread, unless the thread would cost more than the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SMALL_BYTES = 16 << 10
"""So few are read, hashed or copied in far less than a millisecond. The worst that was found, a PNG
of 1,346 empty chunks, is inspected in 8 to 11 ms. A thread costs 0.2 ms of processor time, and in a
busy process two waits for the interpreter's lock."""


async def in_thread_if_large(
    size: float, function: Callable[[Unpack[Ts]], T], *arguments: *Ts
) -> T:
    """Call ``function``, which works on ``size`` bytes of files; in a thread if those are many."""
    if size <= SMALL_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)
