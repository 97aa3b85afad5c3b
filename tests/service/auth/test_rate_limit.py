"""How often a key and an address may call, counted in Redis for all services; and without Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from pydantic import ValidationError

from models.auth.api_key import Scope
from models.redis.queue import connect
from models.settings import Settings
from standalone import embedded_stores
from tests.conftest import running
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Door, Opened, Shown

BUSY = {"rate_limits": "on", "proxies": 1}
ID = "ab" * 16


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    start = api_key_clients.opening(settings, aiohttp_client)

    async def busy(**update: Any) -> Door:
        return await start(**{**BUSY, **update})

    return busy


def of(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_one_call_more_than_the_limit_of_a_key(opened: Opened) -> None:
    door, other = await opened(rate_limit_read="3/hour"), await opened(rate_limit_read="3/hour")
    ann, bob = await door.key(), await door.key()
    # Two services, several addresses: one key.
    for number, (at, left) in enumerate(((door, 2), (other, 1), (door, 0))):
        response = await at.client.get(
            f"/tasks/{ID}", headers={**ann.headers, **of(f"192.0.2.{number}")}
        )
        assert response.status == 404
        assert response.headers["RateLimit-Policy"] == '"rate-limit-read";q=3;w=3600'
        assert response.headers["RateLimit"].startswith(f'"rate-limit-read";r={left};t=')
    for at in (door, other):
        response = await at.client.get(f"/tasks/{ID}", headers=ann.headers)
        body = await response.json()
        assert (response.status, body["code"]) == (429, "rate_limited")
        assert (body["setting"], body["limit"]) == ("RATE_LIMIT_READ", 3)
        assert 0 < int(response.headers["Retry-After"]) <= 3600
        assert response.headers["RateLimit"].startswith('"rate-limit-read";r=0;t=')
    assert (await door.ask("GET", f"/tasks/{ID}", bob))[0] == 404
    # Submitting is counted on its own; health is not counted at all.
    assert (await door.ask("DELETE", f"/tasks/{ID}", ann))[0] == 404
    assert (await door.ask("GET", "/healthz", ann))[0] == 200


async def test_one_call_more_than_the_limit_of_an_address(opened: Opened) -> None:
    door = await opened(rate_limit_submit_address="2/hour")
    for _ in range(2):
        shown = await door.key()
        assert (await door.ask("DELETE", f"/tasks/{ID}", shown, headers=of("192.0.2.1")))[0] == 404
    shown = await door.key()
    status, body = await door.ask("DELETE", f"/tasks/{ID}", shown, headers=of("192.0.2.1"))
    assert (status, body["setting"]) == (429, "RATE_LIMIT_SUBMIT_ADDRESS")
    # What stands further left came from the client, and is not believed.
    lie = of("203.0.113.9, 192.0.2.1")
    assert (await door.ask("DELETE", f"/tasks/{ID}", shown, headers=lie))[0] == 429
    assert (await door.ask("DELETE", f"/tasks/{ID}", shown, headers=of("192.0.2.2")))[0] == 404


async def test_requests_without_a_key_are_counted_by_address(opened: Opened) -> None:
    door = await opened(api_keys="off", rate_limit_submit_address="1/hour")
    form = images.form(images.png(), "cat.png")
    assert (await door.ask("POST", "/thumbnail", data=form, headers=of("192.0.2.1")))[0] == 202
    form = images.form(images.png(), "cat.png")
    status, body = await door.ask("POST", "/thumbnail", data=form, headers=of("192.0.2.1"))
    assert (status, body["code"]) == (429, "rate_limited")


async def test_wrong_keys_and_signatures_are_limited_by_address(opened: Opened) -> None:
    door = await opened(rate_limit_auth_failures="3/hour")
    ann, unseen = await door.key(), await door.key()
    here = of("192.0.2.1")
    assert (await door.ask("GET", "/operations", ann, headers=here))[0] == 200
    wrong = {"X-API-Key": f"dk_{'0' * 16}_{'0' * 64}", **here}
    link = "/processed/x.png?expires=99999999999&signature=00"
    assert (await door.ask("GET", "/operations", headers=wrong))[0] == 401
    assert (await door.ask("GET", link, headers=here))[0] == 403
    assert (await door.ask("POST", "/login", data={"key": "dk_x"}, headers=here))[0] == 401
    for path in ("/operations", link):
        status, body = await door.ask("GET", path, headers=wrong)
        assert (status, body["setting"]) == (429, "RATE_LIMIT_AUTH_FAILURES")
    # A key that was seen to be good is still good there; one that was not is not tried.
    assert (await door.ask("GET", "/operations", ann, headers=here))[0] == 200
    assert (await door.ask("GET", "/operations", unseen, headers=here))[0] == 429
    assert (await door.ask("GET", "/operations", unseen, headers=of("192.0.2.2")))[0] == 200


async def test_counters_expire(opened: Opened, settings: Settings) -> None:
    door = await opened(rate_limit_read="5/minute")
    ann = await door.key()
    await door.ask("GET", "/operations", ann)
    redis = connect(settings)
    keys = [key async for key in redis.scan_iter("darkroom:rate:*")]
    assert keys
    for key in keys:
        assert 0 < await redis.ttl(key) <= 60
    await redis.aclose(close_connection_pool=True)


async def asked(door: Door, ann: Shown) -> list[int]:
    return [(await door.ask("GET", f"/tasks/{ID}", ann))[0] for _ in range(3)]


async def test_without_redis_each_service_counts_or_refuses(opened: Opened) -> None:
    away = {
        "redis_url": f"redis://127.0.0.1:{embedded_stores.free_port()}/0",
        "rate_limit_read": "1/hour",
    }
    door = await opened(**away)
    assert await asked(door, await door.key()) == [404, 429, 429]
    assert await asked(door, await door.key()) == [404, 429, 429]
    door = await opened(**away, rate_limit_fail_mode="closed")
    ann = await door.key()
    assert await asked(door, ann) == [503, 503, 503]
    _, body = await door.ask("GET", f"/tasks/{ID}", ann)
    assert (body["code"], body["store"]) == ("store_unavailable", "redis")
    assert (await door.ask("GET", "/healthz"))[0] == 200


async def test_frozen_redis_delays_no_request(opened: Opened, tmp_path: Any) -> None:
    """Every call has given up on Redis by itself long before the test's own patience ends."""
    with running(embedded_stores.redis(tmp_path)) as server:
        door = await opened(redis_url=server.url, rate_limit_timeout=0.1, store_timeout=600)
        ann = await door.key(Scope.READ)
        assert await asked(door, ann) == [404] * 3
        redis = connect(door.settings)
        pid = int((await redis.info("server"))["process_id"])
        await redis.aclose(close_connection_pool=True)
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                assert await asked(door, ann) == [404] * 3
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_loopback_without_keys_has_no_rate_limit(client: Any) -> None:
    response = await client.get("/operations")
    assert "RateLimit" not in response.headers


@pytest.mark.parametrize("given", ["0/minute", "10", "10/fortnight", "-1/hour", "1/minute;", " "])
def test_invalid_rate_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="120/minute"):
        Settings(rate_limit_read=given)


def test_rate_limits_hold_on_other_addresses_than_loopback() -> None:
    assert not Settings().rate_limits_enabled
    assert Settings(host="0.0.0.0").rate_limits_enabled
    assert Settings(api_keys="on").rate_limits_enabled
    assert not Settings(host="0.0.0.0", rate_limits="off").rate_limits_enabled
