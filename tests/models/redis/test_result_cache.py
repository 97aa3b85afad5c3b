"""Result cache in Redis: bytes are verified, and Redis may be missing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from models.redis.connection import RedisConnection
from models.redis.result_cache import ResultCache
from models.settings import Settings
from service.app import create_app
from service.app_keys import CACHE
from standalone.embedded_stores import free_port
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form

DATA = b"some picture"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
async def cache(settings: Settings) -> AsyncIterator[ResultCache]:
    redis = RedisConnection(settings)
    opened = ResultCache(settings, redis)
    yield opened
    await opened.close()
    await redis.close()


@pytest.fixture
async def raw(settings: Settings) -> AsyncIterator[Any]:
    client = Redis.from_url(settings.redis_url)
    yield client
    await client.aclose()


async def get_or_offer(cache: ResultCache) -> bytes | None:
    known = await cache.get(SHA)
    if known is None:
        cache.offer(SHA, DATA)
        await cache.wait_for_offers()
    return known


async def test_second_request_stores_the_result(
    cache: ResultCache, raw: Any, settings: Settings
) -> None:
    assert [await get_or_offer(cache) for _ in range(3)] == [None, None, DATA]
    for key in await raw.keys("darkroom:result:*"):
        assert 0 < await raw.ttl(key) <= 600


async def test_changed_bytes_in_redis_are_ignored(cache: ResultCache, raw: Any) -> None:
    for _ in range(2):
        await get_or_offer(cache)
    await raw.set(f"darkroom:result:{SHA}", b"another picture")
    assert await cache.get(SHA) is None


async def test_size_and_memory_are_limited(
    settings: Settings, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.redis.result_cache._MAX_BYTES", 100)
    redis = RedisConnection(settings)
    cache = ResultCache(settings.model_copy(update={"cache_total_bytes": 1}), redis)
    assert cache.accepts(100) and not cache.accepts(101) and not cache.accepts(0)
    for _ in range(3):
        assert await get_or_offer(cache) is None
    assert not await raw.exists(f"darkroom:result:{SHA}")
    assert not ResultCache(settings.model_copy(update={"cache_total_bytes": 0}), redis).accepts(1)
    await cache.close()
    await redis.close()


async def test_cache_is_off_without_redis(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    redis = RedisConnection(away)
    cache = ResultCache(away, redis)
    assert cache.accepts(10)
    assert await cache.get(SHA) is None
    assert not cache.accepts(10)
    await redis.close()


async def test_hot_results_come_from_redis(
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
        await app[CACHE].wait_for_offers()
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
