"""Rate limits per API key and address, counted in Redis for all services, and without Redis."""

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
from tests.support.api_key_clients import Credentials, KeyedService, StartService

RATE_LIMITED = {"rate_limits": "on", "proxies": 1}
ID = "ab" * 16


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    start = api_key_clients.service_starter(settings, aiohttp_client)

    async def start_limited(**update: Any) -> KeyedService:
        return await start(**{**RATE_LIMITED, **update})

    return start_limited


def forwarded_for(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_one_call_more_than_the_limit_of_a_key(start_service: StartService) -> None:
    service, other = (
        await start_service(rate_limit_read="3/hour"),
        await start_service(rate_limit_read="3/hour"),
    )
    ann, bob = await service.key(), await service.key()
    # One key counts across services and addresses.
    for number, (at, left) in enumerate(((service, 2), (other, 1), (service, 0))):
        response = await at.client.get(
            f"/tasks/{ID}", headers={**ann.headers, **forwarded_for(f"192.0.2.{number}")}
        )
        assert response.status == 404
        assert response.headers["RateLimit-Policy"] == '"rate-limit-read";q=3;w=3600'
        assert response.headers["RateLimit"].startswith(f'"rate-limit-read";r={left};t=')
    for at in (service, other):
        response = await at.client.get(f"/tasks/{ID}", headers=ann.headers)
        body = await response.json()
        assert (response.status, body["code"]) == (429, "rate_limited")
        assert (body["setting"], body["limit"]) == ("RATE_LIMIT_READ", 3)
        assert 0 < int(response.headers["Retry-After"]) <= 3600
        assert response.headers["RateLimit"].startswith('"rate-limit-read";r=0;t=')
    assert (await service.request("GET", f"/tasks/{ID}", bob))[0] == 404
    # Submissions have a counter of their own; /healthz is not counted.
    assert (await service.request("DELETE", f"/tasks/{ID}", ann))[0] == 404
    assert (await service.request("GET", "/healthz", ann))[0] == 200


async def test_one_call_more_than_the_limit_of_an_address(start_service: StartService) -> None:
    service = await start_service(rate_limit_submit_address="2/hour")
    for _ in range(2):
        credentials = await service.key()
        assert (
            await service.request(
                "DELETE", f"/tasks/{ID}", credentials, headers=forwarded_for("192.0.2.1")
            )
        )[0] == 404
    credentials = await service.key()
    status, body = await service.request(
        "DELETE", f"/tasks/{ID}", credentials, headers=forwarded_for("192.0.2.1")
    )
    assert (status, body["setting"]) == (429, "RATE_LIMIT_SUBMIT_ADDRESS")
    # Entries further left come from the client and are ignored.
    forged = forwarded_for("203.0.113.9, 192.0.2.1")
    assert (await service.request("DELETE", f"/tasks/{ID}", credentials, headers=forged))[0] == 429
    assert (
        await service.request(
            "DELETE", f"/tasks/{ID}", credentials, headers=forwarded_for("192.0.2.2")
        )
    )[0] == 404


async def test_requests_without_a_key_are_counted_by_address(start_service: StartService) -> None:
    service = await start_service(api_keys="off", rate_limit_submit_address="1/hour")
    form = images.form(images.png(), "cat.png")
    assert (
        await service.request("POST", "/thumbnail", data=form, headers=forwarded_for("192.0.2.1"))
    )[0] == 202
    form = images.form(images.png(), "cat.png")
    status, body = await service.request(
        "POST", "/thumbnail", data=form, headers=forwarded_for("192.0.2.1")
    )
    assert (status, body["code"]) == (429, "rate_limited")


async def test_wrong_keys_and_signatures_are_limited_by_address(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 3600)
    service = await start_service(rate_limit_auth_failures="3/hour")
    ann, unseen = await service.key(), await service.key()
    address = forwarded_for("192.0.2.1")
    assert (await service.request("GET", "/operations", ann, headers=address))[0] == 200
    wrong = {"X-API-Key": f"dk_{'0' * 16}_{'0' * 64}", **address}
    link = "/processed/x.png?expires=99999999999&signature=00"
    assert (await service.request("GET", "/operations", headers=wrong))[0] == 401
    assert (await service.request("GET", link, headers=address))[0] == 403
    assert (await service.request("POST", "/login", data={"key": "dk_x"}, headers=address))[
        0
    ] == 401
    for path in ("/operations", link):
        status, body = await service.request("GET", path, headers=wrong)
        assert (status, body["setting"]) == (429, "RATE_LIMIT_AUTH_FAILURES")
    # A cached key still works from that address; another one is not looked up.
    assert (await service.request("GET", "/operations", ann, headers=address))[0] == 200
    assert (await service.request("GET", "/operations", unseen, headers=address))[0] == 429
    assert (
        await service.request("GET", "/operations", unseen, headers=forwarded_for("192.0.2.2"))
    )[0] == 200


async def statuses(service: KeyedService, ann: Credentials) -> list[int]:
    return [(await service.request("GET", f"/tasks/{ID}", ann))[0] for _ in range(3)]


async def test_without_redis_each_service_counts(start_service: StartService) -> None:
    without_redis = {
        "redis_url": f"redis://127.0.0.1:{embedded_stores.free_port()}/0",
        "rate_limit_read": "1/hour",
    }
    service = await start_service(**without_redis)
    assert await statuses(service, await service.key()) == [404, 429, 429]
    assert await statuses(service, await service.key()) == [404, 429, 429]


async def test_frozen_redis_delays_no_request(
    start_service: StartService, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request gives up on Redis long before the timeout of the test."""
    with running(embedded_stores.redis(tmp_path)) as server:
        monkeypatch.setattr("models.redis.connection._TIMEOUT_SECONDS", 0.1)
        service = await start_service(redis_url=server.url, store_timeout=600)
        ann = await service.key(Scope.READ)
        assert await statuses(service, ann) == [404] * 3
        redis = connect(service.settings.stores)
        pid = int((await redis.info("server"))["process_id"])
        await redis.aclose(close_connection_pool=True)
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                assert await statuses(service, ann) == [404] * 3
        finally:
            os.kill(pid, signal.SIGCONT)


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


async def test_loopback_without_keys_has_no_rate_limit(client: Any) -> None:
    response = await client.get("/operations")
    assert "RateLimit" not in response.headers


@pytest.mark.parametrize("given", ["0/minute", "10", "10/fortnight", "-1/hour", "1/minute;", " "])
def test_invalid_rate_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="120/minute"):
        Settings().replace(rate_limit_read=given)


def test_rate_limits_hold_on_other_addresses_than_loopback() -> None:
    assert not Settings().rate_limits_enabled
    assert Settings().replace(host="0.0.0.0").rate_limits_enabled
    assert Settings().replace(api_keys="on").rate_limits_enabled
    assert not Settings().replace(host="0.0.0.0", rate_limits="off").rate_limits_enabled
