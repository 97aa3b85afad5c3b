"""Rate limits: moving windows in Redis; a slow or missing Redis; windows of one process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from models.errors import StoreUnavailable
from models.redis import connection, rate_limiter
from models.redis.connection import RedisConnection
from models.redis.queue import connect
from models.redis.rate_limiter import RateLimiter, RateLimitState
from models.settings import Settings
from models.settings.limits import RATE_FIELDS
from standalone import embedded_stores
from tests.conftest import running

TIMEOUT_SECONDS = 0.5
READ = "RATE_LIMIT_READ"


@pytest.fixture(autouse=True)
def _redis_may_answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process soon counts by itself; and it does not try Redis again after it gave up on it."""
    monkeypatch.setattr(connection, "_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(connection, "AWAY_SECONDS", 3600.0)


def away(settings: Settings, **update: Any) -> Settings:
    unused = f"redis://127.0.0.1:{embedded_stores.free_port()}/0"
    return settings.replace(**{"redis_url": unused, **update})


@pytest.fixture
async def limiter(settings: Settings) -> AsyncIterator[RateLimiter]:
    """A limiter with one hit."""
    chosen = settings.replace(rate_limit_read="100/hour")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    assert remaining(await limiter.hit(READ, "ann")) == 99
    yield limiter
    await redis.close()


def remaining(state: RateLimitState | None) -> int:
    assert state is not None
    return state.remaining


async def used(settings: Settings) -> int:
    """Return how many hits Redis has counted for the only client."""
    redis = connect(settings.stores)
    (key,) = [key async for key in redis.scan_iter("darkroom:window:*")]
    length: Any = redis.llen(key)
    found = int(await length)
    await redis.aclose(close_connection_pool=True)
    return found


async def test_hits_at_once_stay_within_the_limit_and_refused_ones_do_not_count(
    settings: Settings,
) -> None:
    chosen = settings.replace(mail_per_client=3)
    redis = RedisConnection(chosen.stores)
    limiters = [RateLimiter(chosen.limits, redis) for _ in range(2)]
    states = await asyncio.gather(*(each.hit("MAIL_PER_CLIENT", "k") for each in 5 * limiters))
    assert sorted(state.allowed for state in states if state) == [False] * 7 + [True] * 3
    refused = [state for state in states if state and not state.allowed]
    assert all((s.limit, s.window_seconds, s.remaining) == (3, 3600, 0) for s in refused)
    assert all(3590 < state.reset_seconds <= 3600 for state in refused)
    assert await used(settings) == 3
    other = await limiters[0].hit("MAIL_PER_CLIENT", "other")
    assert other is not None and other.allowed
    await redis.close()


async def test_window_moves(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Redis and in the process: each hit leaves the window after its length."""
    for chosen in (settings, away(settings)):
        redis = RedisConnection(chosen.stores)
        limiter = RateLimiter(chosen.replace(mail_per_address=2).limits, redis)
        began = float(int(time.time()))  # exact differences

        async def hit(
            seconds: float, began: float = began, limiter: RateLimiter = limiter
        ) -> RateLimitState:
            with monkeypatch.context() as later:
                later.setattr(time, "time", lambda: began + seconds)
                state = await limiter.hit("MAIL_PER_ADDRESS", "ann")
            assert state is not None
            return state

        assert [(await hit(at)).allowed for at in (0, 1800, 1900)] == [True, True, False]
        assert (await hit(1900)).reset_seconds == 1700
        assert [(await hit(at)).allowed for at in (3601, 3700, 5401)] == [True, False, True]
        await redis.close()


async def test_the_tightest_of_several_windows_decides(settings: Settings) -> None:
    chosen = settings.replace(rate_limit_read="5/second;3/hour")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    first, second = await limiter.hit(READ, "ann"), await limiter.peek(READ, "ann")
    assert first is not None and second is not None
    assert second == dataclasses.replace(first, reset_seconds=second.reset_seconds)
    assert (first.limit, first.remaining, first.allowed) == (3, 2, True)
    for _ in range(2):
        await limiter.hit(READ, "ann")
    for state in (await limiter.hit(READ, "ann"), await limiter.peek(READ, "ann")):
        assert state is not None and (state.limit, state.allowed) == (3, False)
    await redis.close()


async def test_what_one_window_refuses_does_not_count_in_another(settings: Settings) -> None:
    chosen = settings.replace(rate_limit_read="1/minute;5/hour")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    states = [await limiter.hit(READ, "ann") for _ in range(3)]
    assert [state.allowed for state in states if state] == [True, False, False]
    raw = connect(chosen.stores)
    lengths: list[Any] = [raw.llen(key) async for key in raw.scan_iter("darkroom:window:*")]
    assert sorted([await length for length in lengths]) == [1, 1]
    await raw.aclose(close_connection_pool=True)
    await redis.close()


async def test_a_command_that_redis_refuses_is_no_outage(
    settings: Settings,
) -> None:
    """As in a Redis without scripts, or one with a full memory: each process counts by itself."""
    chosen = settings.replace(rate_limit_read="9/hour")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    assert remaining(await limiter.hit(READ, "ann")) == 8
    raw = connect(chosen.stores)
    (key,) = [key async for key in raw.scan_iter("darkroom:window:*")]
    await raw.set(key, "1")  # WRONGTYPE
    assert remaining(await limiter.hit(READ, "ann")) == 8
    assert not redis.away
    assert limiter._local._hits
    await raw.delete(key)
    assert remaining(await limiter.hit(READ, "ann")) == 8
    assert not limiter._local._hits
    await raw.aclose(close_connection_pool=True)
    await redis.close()


async def test_an_empty_limit_counts_nothing(settings: Settings) -> None:
    chosen = settings.replace(rate_limit_read="")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    assert await limiter.hit(READ, "ann") is None
    assert await limiter.peek(READ, "ann") is None
    await redis.close()


async def test_counters_expire(settings: Settings) -> None:
    redis = RedisConnection(settings.stores)
    limiter = RateLimiter(settings.limits, redis)
    for field in RATE_FIELDS:
        await limiter.hit(field.upper(), "ann")
    raw = connect(settings.stores)
    keys = [key async for key in raw.scan_iter("darkroom:window:*")]
    assert len(keys) == len(RATE_FIELDS)
    for key in keys:
        assert 0 < await raw.ttl(key) <= 3600
    await raw.aclose(close_connection_pool=True)
    await redis.close()


async def hit_while_loop_is_blocked(
    limiter: RateLimiter, settings: Settings, monkeypatch: pytest.MonkeyPatch, calls: int
) -> list[RateLimitState | BaseException | None]:
    """Return the outcomes of hits whose answers arrive too late, while the loop is blocked."""
    with Redis.from_url(settings.stores.redis_url) as redis, monkeypatch.context() as soon:
        soon.setattr(connection, "_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
        redis.client_pause(60_000, all=False)  # of writes, as hits are
        hits = [asyncio.create_task(limiter.hit(READ, "ann")) for _ in range(calls)]
        for _ in range(20):  # iterations of the loop in which all hits are sent
            await asyncio.sleep(0)
        redis.client_unpause()
        time.sleep(3 * TIMEOUT_SECONDS)  # noqa: ASYNC251 -- this is what is tested
        return await asyncio.gather(*hits, return_exceptions=True)


async def test_one_redis_timeout_does_not_disable_rate_limits(
    limiter: RateLimiter, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = await hit_while_loop_is_blocked(limiter, settings, monkeypatch, 10)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert all(isinstance(each, StoreUnavailable) for each in refused)
    # Redis counts the next hit on top of those.
    before = await used(settings)
    await limiter.hit(READ, "ann")
    assert await used(settings) == before + 1


async def test_repeated_redis_timeouts_end_with_a_response(
    limiter: RateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moment in range(connection._MAX_TIMEOUTS_IN_A_ROW - 1):
        with monkeypatch.context() as at_once:
            at_once.setattr(connection, "_TIMEOUT_SECONDS", 0)
            await asyncio.gather(*(limiter.hit(READ, "ann") for _ in range(3)))
        assert limiter._redis._timeouts == moment + 1
    await limiter.hit(READ, "ann")
    assert limiter._redis._timeouts == 0


async def test_frozen_redis_times_out(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(embedded_stores.redis(tmp_path)) as server:
        chosen = settings.replace(redis_url=server.url, rate_limit_read="100/hour")
        redis = RedisConnection(chosen.stores)
        limiter = RateLimiter(chosen.limits, redis)
        assert remaining(await limiter.hit(READ, "ann")) == 99
        raw = connect(chosen.stores)
        pid = int((await raw.info("server"))["process_id"])
        await raw.aclose(close_connection_pool=True)
        monkeypatch.setattr(connection, "_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
        os.kill(pid, signal.SIGSTOP)
        try:
            found = [
                remaining(await limiter.hit(READ, "ann"))
                for _ in range(connection._MAX_TIMEOUTS_IN_A_ROW)
            ]
            assert found == [99, 98, 97]  # each counted by this process
            assert redis.away
        finally:
            os.kill(pid, signal.SIGCONT)
        await redis.close()


async def test_local_windows_are_bounded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "_MAX_LOCAL_WINDOWS", 3)
    chosen = away(settings, rate_limit_read="9/hour")
    redis = RedisConnection(chosen.stores)
    limiter = RateLimiter(chosen.limits, redis)
    for number in range(20):
        assert remaining(await limiter.hit(READ, str(number))) == 8
    assert redis.away  # at once: a refused connection means that Redis is down
    assert remaining(await limiter.hit(READ, "19")) == remaining(await limiter.peek(READ, "19"))
    assert len(limiter._local._hits) == 3
    await redis.close()
