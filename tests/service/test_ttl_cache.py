"""Figures that many ask for at once."""

from __future__ import annotations

import asyncio

from models.errors import StoreUnavailable
from service.ttl_cache import TTLCache


async def test_one_asks_for_all_and_again_when_it_is_old() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    glance = TTLCache(ask, 3600)
    assert await asyncio.gather(*(glance.get() for _ in range(20))) == [1] * 20
    stale = TTLCache(ask, 0)
    assert [await stale.get() for _ in range(2)] == [2, 3]


async def test_who_waited_for_a_failure_fails_with_it() -> None:
    """Else each would wait in its turn for a store that is away."""
    asked, answer = 0, asyncio.Event()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await answer.wait()
        if asked == 1:
            raise StoreUnavailable("away", store="mongodb")
        return asked

    glance = TTLCache(ask)
    waiting = [asyncio.create_task(glance.get()) for _ in range(20)]
    await asyncio.sleep(0)
    answer.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in failed} == {StoreUnavailable}
    assert asked == 1
    assert await glance.get() == 2  # whoever comes later asks anew
