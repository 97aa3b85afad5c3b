"""Rate limits while Redis is slow or down: requests count; a blocked loop is not an outage."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from models.auth.rate_limit_types import RateLimit, RateLimitState
from models.errors import StoreUnavailable
from models.redis import rate_counters
from models.redis.queue import connect
from models.redis.rate_counters import RateCounters
from models.settings import Settings
from standalone import embedded_stores
from tests.conftest import running
from tests.support import api_key_clients
from tests.support.api_key_clients import StartService

TIMEOUT_SECONDS = 0.5
LIMIT = RateLimit("RATE_LIMIT_READ", "100/hour", "ann")


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


@pytest.fixture(params=["open", "closed"])
async def counters(
    settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RateCounters]:
    """Counters with one hit, which do not retry Redis after they gave up on it."""
    monkeypatch.setattr(rate_counters, "_OFF_SECONDS", 3600.0)
    counters = RateCounters(
        settings.model_copy(
            update={"rate_limit_timeout": TIMEOUT_SECONDS, "rate_limit_fail_mode": request.param}
        )
    )
    assert remaining(await counters.hit([LIMIT])) == 99
    yield counters
    await counters.close()


def remaining(reading: RateLimitState | None) -> int:
    assert reading is not None
    return reading.remaining


async def hit_while_loop_is_blocked(
    counters: RateCounters, settings: Settings, calls: int
) -> list[RateLimitState | BaseException | None]:
    """Return the outcomes of hits whose answers arrive too late, while the loop is blocked."""
    redis = connect(settings)
    await redis.client_pause(int(TIMEOUT_SECONDS * 1000))
    hits = [asyncio.create_task(counters.hit([LIMIT])) for _ in range(calls)]
    for _ in range(20):  # iterations of the loop in which all hits are sent
        await asyncio.sleep(0)
    time.sleep(3 * TIMEOUT_SECONDS)  # noqa: ASYNC251 -- this is what is tested
    outcomes = await asyncio.gather(*hits, return_exceptions=True)
    await redis.aclose(close_connection_pool=True)
    return outcomes


async def test_one_redis_timeout_does_not_disable_rate_limits(
    counters: RateCounters, settings: Settings
) -> None:
    outcomes = await hit_while_loop_is_blocked(counters, settings, 10)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert all(isinstance(each, StoreUnavailable) for each in refused)
    # Redis counts the next hit on top of those.
    before = await redis_count(settings)
    await counters.hit([LIMIT])
    assert await redis_count(settings) == before + 1


async def redis_count(settings: Settings) -> int:
    redis = connect(settings)
    (key,) = [key async for key in redis.scan_iter("darkroom:rate:*")]
    found = int(await redis.get(key) or 0)
    await redis.aclose(close_connection_pool=True)
    return found


async def test_repeated_redis_timeouts_end_with_a_response(
    counters: RateCounters, settings: Settings
) -> None:
    for moment in range(rate_counters._MAX_TIMEOUTS_IN_A_ROW - 1):
        await hit_while_loop_is_blocked(counters, settings, 3)
        assert counters._timeouts == moment + 1
    await counters.hit([LIMIT])
    assert counters._timeouts == 0


async def test_frozen_redis_times_out(settings: Settings, tmp_path: Path) -> None:
    with running(embedded_stores.redis(tmp_path)) as server:
        chosen = settings.model_copy(
            update={"redis_url": server.url, "rate_limit_timeout": TIMEOUT_SECONDS}
        )
        counters = RateCounters(chosen)
        assert remaining(await counters.hit([LIMIT])) == 99
        redis = connect(chosen)
        pid = int((await redis.info("server"))["process_id"])
        await redis.aclose(close_connection_pool=True)
        os.kill(pid, signal.SIGSTOP)
        try:
            found = [
                remaining(await counters.hit([LIMIT]))
                for _ in range(rate_counters._MAX_TIMEOUTS_IN_A_ROW)
            ]
            assert found == [99, 98, 97]  # each counted by this process
            assert counters._off_until > 0
        finally:
            os.kill(pid, signal.SIGCONT)
        await counters.close()


async def test_without_redis_wrong_keys_are_still_limited_by_address(
    start_service: StartService,
) -> None:
    service = await start_service(
        rate_limits="on",
        rate_limit_auth_failures="3/hour",
        redis_url=f"redis://127.0.0.1:{embedded_stores.free_port()}/0",
    )
    wrong = {"X-API-Key": f"dk_{'0' * 16}_{'0' * 64}"}
    for _ in range(3):
        assert (await service.request("GET", "/operations", headers=wrong))[0] == 401
    status, body = await service.request("GET", "/operations", headers=wrong)
    assert (status, body["setting"]) == (429, "RATE_LIMIT_AUTH_FAILURES")


async def test_local_counters_are_bounded_and_expire(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_counters, "_MAX_LOCAL_COUNTERS", 3)
    away = settings.model_copy(
        update={"redis_url": f"redis://127.0.0.1:{embedded_stores.free_port()}/0"}
    )
    counters = RateCounters(away)
    for number in range(20):
        assert (
            remaining(await counters.hit([RateLimit("RATE_LIMIT_READ", "9/hour", str(number))]))
            == 8
        )
    assert counters._off_until > 0  # at once: a refused connection means that Redis is down
    last = RateLimit("RATE_LIMIT_READ", "9/hour", "19")
    assert remaining(await counters.hit([last])) == remaining(await counters.peek([last])) == 7
    assert len(counters._local._counters) == 3
    now = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now + 3601)
        assert remaining(await counters.peek([last])) == 9
    await counters.close()


async def test_all_limits_of_a_call_cost_one_redis_command(settings: Settings) -> None:
    counters, redis = RateCounters(settings), connect(settings)
    limits = [RateLimit(name, "5/second;100/hour", "ann") for name in ("RATE_LIMIT_READ", "X")]

    async def transactions() -> int:
        stats = await redis.info("commandstats")
        return int(stats.get("cmdstat_exec", {}).get("calls", 0))

    before = await transactions()
    first, second = await counters.hit(limits), await counters.peek(limits)
    assert first is not None and first == second and (first.limit, first.remaining) == (5, 4)
    assert await transactions() == before + 2
    await redis.aclose(close_connection_pool=True)
    await counters.close()
