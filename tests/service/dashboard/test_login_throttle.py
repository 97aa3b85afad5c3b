"""Wrong dashboard tokens are limited per client and in total, without locking operators out."""

from __future__ import annotations

from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from tests.support import api_key_clients
from tests.support.api_key_clients import KeyedService, StartService

TOKEN = "correct-horse-battery"
QUEUE = "/dashboard/api/queue"
LOGIN = "/dashboard/login"


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    start = api_key_clients.service_starter(settings, aiohttp_client)

    async def locked(**update: Any) -> KeyedService:
        return await start(**{"admin_token": TOKEN, "proxies": 1, **update})

    return locked


def of(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"203.0.113.{number}"}


async def guess(service: KeyedService, number: int, token: str = "no") -> tuple[int, str]:
    """Return the status, and which setting refused."""
    headers = {**of(number), "Authorization": f"Bearer {token}"}
    status, body = await service.request("GET", QUEUE, headers=headers)
    return status, body.get("setting", "")


async def test_the_total_limit_spares_right_tokens(start_service: StartService) -> None:
    service, other = (
        await start_service(admin_login_failures_total=3),
        await start_service(admin_login_failures_total=3),
    )
    admin = await service.key(Scope.ADMIN)
    for number in range(3):
        assert await guess(service, number) == (401, "")
    for at in (service, other):  # the limit holds across service processes
        for number in (3, 4):
            assert await guess(at, number) == (429, "ADMIN_LOGIN_FAILURES_TOTAL")
        assert (await guess(at, 5, TOKEN))[0] == 200
        assert (await guess(at, 5, admin.token))[0] == 200
        for token in (TOKEN, admin.token):
            status, _ = await at.request("POST", LOGIN, data={"token": token}, headers=of(6))
            assert status == 303


async def test_the_limit_per_client_holds_beside_the_total(start_service: StartService) -> None:
    service = await start_service(admin_login_failures=2, admin_login_failures_total=1)
    assert await guess(service, 1) == (401, "")
    for _ in range(2):
        assert await guess(service, 2) == (429, "ADMIN_LOGIN_FAILURES_TOTAL")
    for token in ("no", TOKEN):
        assert await guess(service, 2, token) == (429, "ADMIN_LOGIN_FAILURES")


async def test_a_blocked_client_costs_no_database_query(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start_service(admin_login_failures=1)
    for status in (401, 429):
        assert (await guess(service, 1))[0] == status
    asked: list[str] = []

    async def ask(key: str, *_: Any, **__: Any) -> int:
        asked.append(key)
        return 0

    for name in ("retry_after", "consume"):
        monkeypatch.setattr(service.store.quotas, name, ask)
    for _ in range(3):
        status, body = await service.request("POST", LOGIN, data={"token": TOKEN}, headers=of(1))
        assert (status, body["setting"]) == (429, "ADMIN_LOGIN_FAILURES")
    assert asked == []
    assert (await service.request("POST", LOGIN, data={"token": TOKEN}, headers=of(2)))[0] == 303
    assert len(asked) == 1
