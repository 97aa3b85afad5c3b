"""Work on files that blocks: in a thread, unless so little that a thread would cost more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SMALL_BYTES = 16 << 10
"""They are read, hashed or copied in far less than a millisecond, and the worst that are made of so
few, chunks without content, are inspected in 13 ms. A thread costs 0.2 ms of processor time, and in
a busy process the wait for its turn and back."""


async def in_thread_if_large(
    size: float, function: Callable[[Unpack[Ts]], T], *arguments: *Ts
) -> T:
    """Call ``function``, which works on ``size`` bytes of files; in a thread if those are many."""
    if size <= SMALL_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)
