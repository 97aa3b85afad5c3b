"""Rate limits while Redis is slow or away: a slow moment of ours is no outage; all is counted."""

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
from tests.support.api_key_clients import Opened

PATIENCE = 0.5
BOUND = RateLimit("RATE_LIMIT_READ", "100/hour", "ann")


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    return api_key_clients.opening(settings, aiohttp_client)


@pytest.fixture(params=["open", "closed"])
async def counting(
    settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RateCounters]:
    """Rates that were asked once, and do not ask again once they gave up on Redis."""
    monkeypatch.setattr(rate_counters, "_OFF_SECONDS", 3600.0)
    made = RateCounters(
        settings.model_copy(
            update={"rate_limit_timeout": PATIENCE, "rate_limit_fail_mode": request.param}
        )
    )
    assert left(await made.hit([BOUND])) == 99
    yield made
    await made.close()


def left(reading: RateLimitState | None) -> int:
    assert reading is not None
    return reading.remaining


async def held_up(
    counting: RateCounters, settings: Settings, calls: int
) -> list[RateLimitState | BaseException | None]:
    """Return what calls were told whose answers came while the loop stood still, and too late."""
    redis = connect(settings)
    await redis.client_pause(int(PATIENCE * 1000))
    asked = [asyncio.create_task(counting.hit([BOUND])) for _ in range(calls)]
    for _ in range(20):  # turns of the loop in which each of them asks
        await asyncio.sleep(0)
    time.sleep(3 * PATIENCE)  # noqa: ASYNC251 -- this is what is tested
    told = await asyncio.gather(*asked, return_exceptions=True)
    await redis.aclose(close_connection_pool=True)
    return told


async def test_one_redis_timeout_does_not_disable_rate_limits(
    counting: RateCounters, settings: Settings
) -> None:
    told = await held_up(counting, settings, 10)
    refused = [each for each in told if isinstance(each, BaseException)]
    assert all(isinstance(each, StoreUnavailable) for each in refused)
    # The next one is counted by Redis, with what Redis has counted of those.
    before = await shared(settings)
    await counting.hit([BOUND])
    assert await shared(settings) == before + 1


async def shared(settings: Settings) -> int:
    redis = connect(settings)
    (key,) = [key async for key in redis.scan_iter("darkroom:rate:*")]
    found = int(await redis.get(key) or 0)
    await redis.aclose(close_connection_pool=True)
    return found


async def test_repeated_redis_timeouts_end_with_a_response(
    counting: RateCounters, settings: Settings
) -> None:
    for moment in range(rate_counters._MAX_TIMEOUTS_IN_A_ROW - 1):
        await held_up(counting, settings, 3)
        assert counting._timeouts == moment + 1
    await counting.hit([BOUND])
    assert counting._timeouts == 0


async def test_frozen_redis_times_out(settings: Settings, tmp_path: Path) -> None:
    with running(embedded_stores.redis(tmp_path)) as server:
        chosen = settings.model_copy(
            update={"redis_url": server.url, "rate_limit_timeout": PATIENCE}
        )
        made = RateCounters(chosen)
        assert left(await made.hit([BOUND])) == 99
        redis = connect(chosen)
        pid = int((await redis.info("server"))["process_id"])
        await redis.aclose(close_connection_pool=True)
        os.kill(pid, signal.SIGSTOP)
        try:
            found = [
                left(await made.hit([BOUND])) for _ in range(rate_counters._MAX_TIMEOUTS_IN_A_ROW)
            ]
            assert found == [99, 98, 97]  # each counted, by this process
            assert made._off_until > 0
        finally:
            os.kill(pid, signal.SIGCONT)
        await made.close()


async def test_without_redis_wrong_keys_are_still_limited_by_address(opened: Opened) -> None:
    door = await opened(
        rate_limits="on",
        rate_limit_auth_failures="3/hour",
        redis_url=f"redis://127.0.0.1:{embedded_stores.free_port()}/0",
    )
    wrong = {"X-API-Key": f"dk_{'0' * 16}_{'0' * 64}"}
    for _ in range(3):
        assert (await door.ask("GET", "/operations", headers=wrong))[0] == 401
    status, body = await door.ask("GET", "/operations", headers=wrong)
    assert (status, body["setting"]) == (429, "RATE_LIMIT_AUTH_FAILURES")


async def test_local_counters_are_bounded_and_expire(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_counters, "_MAX_LOCAL_COUNTERS", 3)
    away = settings.model_copy(
        update={"redis_url": f"redis://127.0.0.1:{embedded_stores.free_port()}/0"}
    )
    made = RateCounters(away)
    for number in range(20):
        assert left(await made.hit([RateLimit("RATE_LIMIT_READ", "9/hour", str(number))])) == 8
    assert made._off_until > 0  # at once: who refuses is not there
    last = RateLimit("RATE_LIMIT_READ", "9/hour", "19")
    assert left(await made.hit([last])) == left(await made.peek([last])) == 7
    assert len(made._local._counters) == 3
    now = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now + 3601)
        assert left(await made.peek([last])) == 9
    await made.close()


async def test_all_limits_of_a_call_cost_one_redis_command(settings: Settings) -> None:
    made, redis = RateCounters(settings), connect(settings)
    bounds = [RateLimit(name, "5/second;100/hour", "ann") for name in ("RATE_LIMIT_READ", "X")]

    async def questions() -> int:
        stats = await redis.info("commandstats")
        return int(stats.get("cmdstat_exec", {}).get("calls", 0))

    before = await questions()
    first, second = await made.hit(bounds), await made.peek(bounds)
    assert first is not None and first == second and (first.limit, first.remaining) == (5, 4)
    assert await questions() == before + 2
    await redis.aclose(close_connection_pool=True)
    await made.close()
