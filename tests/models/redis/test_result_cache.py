"""Hot small results in Redis: a shortcut that is never believed and never missed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from models.redis.result_cache import Cache
from models.settings import Settings
from service.app import create_app
from service.app_keys import CACHE
from standalone.embedded_stores import free_port
from tests.conftest import working
from tests.service.submissions.test_batch import TWO, form

DATA = b"some picture"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
async def cache(settings: Settings) -> AsyncIterator[Cache]:
    opened = Cache(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def raw(settings: Settings) -> AsyncIterator[Any]:
    client = Redis.from_url(settings.redis_url)
    yield client
    await client.aclose()


async def ask(cache: Cache) -> bytes | None:
    known = await cache.get(SHA)
    if known is None:
        cache.offer(SHA, DATA)
        await cache.settle()
    return known


async def test_kept_when_asked_for_twice(cache: Cache, raw: Any, settings: Settings) -> None:
    assert [await ask(cache) for _ in range(3)] == [None, None, DATA]
    for key in await raw.keys("darkroom:result:*"):
        assert 0 < await raw.ttl(key) <= settings.cache_ttl


async def test_what_was_changed_in_redis_is_not_believed(cache: Cache, raw: Any) -> None:
    for _ in range(2):
        await ask(cache)
    await raw.set(f"darkroom:result:{SHA}", b"another picture")
    assert await cache.get(SHA) is None


async def test_size_and_memory_are_limited(settings: Settings, raw: Any) -> None:
    cache = Cache(settings.model_copy(update={"cache_max_bytes": 100, "cache_total_bytes": 1}))
    assert cache.takes(100) and not cache.takes(101) and not cache.takes(0)
    for _ in range(3):
        assert await ask(cache) is None
    assert not await raw.exists(f"darkroom:result:{SHA}")
    await cache.close()
    off = Cache(settings.model_copy(update={"cache_max_bytes": 0}))
    assert not off.takes(1)
    await off.close()


async def test_off_while_redis_is_away(settings: Settings) -> None:
    cache = Cache(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"}))
    assert cache.takes(10)
    assert await cache.get(SHA) is None
    assert not cache.takes(10)
    await cache.close()


async def test_results_come_from_redis_when_hot(
    aiohttp_client: Any, settings: Settings, raw: Any
) -> None:
    app = create_app(settings)
    client = await aiohttp_client(app)
    async with working(settings):
        body = await (await client.post("/grayscale?wait=30", data=form(TWO[:1]))).json()
    sha256 = body["results"][0]["sha256"]
    whole = []
    for _ in range(3):
        whole.append(await (await client.get(body["url"])).read())
        await app[CACHE].settle()
    assert len(set(whole)) == 1
    assert await raw.get(f"darkroom:result:{sha256}") == whole[0]
    # Nothing is read from GridFS any more, and ranges are cut from what Redis has.
    from service.app_keys import STORE

    files: Any = app[STORE].results

    def unread(*_: Any) -> Any:
        raise AssertionError("GridFS was read")

    files.read = unread
    part = await client.get(body["url"], headers={"Range": "bytes=5-9"})
    assert (part.status, await part.read()) == (206, whole[0][5:10])
    assert await (await client.get(body["url"])).read() == whole[0]
