"""TTLCache: one load serves all concurrent callers."""

from __future__ import annotations

import asyncio

from models.errors import StoreUnavailable
from service.ttl_cache import TTLCache


async def test_one_load_serves_all_until_it_expires() -> None:
    loads = 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return loads

    cache = TTLCache(load, 3600)
    assert await asyncio.gather(*(cache.get() for _ in range(20))) == [1] * 20
    expired = TTLCache(load, 0)
    assert [await expired.get() for _ in range(2)] == [2, 3]


async def test_callers_waiting_for_a_failed_load_fail_with_it() -> None:
    """Otherwise each would wait in turn for a store that is unavailable."""
    loads, release = 0, asyncio.Event()

    async def load() -> int:
        nonlocal loads
        loads += 1
        await release.wait()
        if loads == 1:
            raise StoreUnavailable("unavailable", store="mongodb")
        return loads

    cache = TTLCache(load)
    waiting = [asyncio.create_task(cache.get()) for _ in range(20)]
    await asyncio.sleep(0)
    release.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in failed} == {StoreUnavailable}
    assert loads == 1
    assert await cache.get() == 2  # a later call loads again
