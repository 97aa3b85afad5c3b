"""Refused requests count for the rate limit of their address, so their cost is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from service.auth.session import SESSION_COOKIE
from standalone import embedded_stores
from tests.support import api_key_clients
from tests.support.api_key_clients import KeyedService, StartService

ID = "ab" * 16
LOW_LIMITS = {"rate_limit_read_address": "3/hour", "rate_limit_submit_address": "3/hour"}


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    start = api_key_clients.service_starter(settings, aiohttp_client)

    async def start_limited(**update: Any) -> KeyedService:
        return await start(**{"rate_limits": "on", "rate_limit_auth_failures": "", **update})

    return start_limited


LINK = "/processed/x.png?expires=99999999999&signature=00"


@pytest.mark.parametrize(
    ("method", "path", "status", "limit"),
    [
        ("GET", "/operations", 401, "READ"),
        ("POST", "/thumbnail", 401, "SUBMIT"),
        ("POST", "/items/", 401, "SUBMIT"),
        ("GET", "/metrics", 401, "READ"),
        ("GET", LINK, 403, "READ"),
        ("GET", "/dashboard", 401, "READ"),
        ("GET", "/dashboard/api/queue", 401, "READ"),
        ("POST", f"/dashboard/api/tasks/{ID}/cancel", 401, "READ"),
    ],
)
async def test_refusals_are_counted(
    start_service: StartService, method: str, path: str, status: int, limit: str
) -> None:
    service = await start_service(**LOW_LIMITS)
    for left in (2, 1, 0):
        response = await service.client.request(method, path)
        assert response.status == status
        name = f"rate-limit-{limit.lower()}-address"
        assert response.headers["RateLimit"].startswith(f'"{name}";r={left};')
    for credentials in (None, await service.key(Scope.ADMIN)):
        refusal, body = await service.request(method, path, credentials)
        assert (refusal, body["setting"]) == (429, f"RATE_LIMIT_{limit}_ADDRESS")
    for path in ("/healthz", "/readyz", "/static/upload.js"):  # never counted, never refused
        response = await service.client.get(path)
        assert response.status != 429 and "RateLimit" not in response.headers


async def test_a_key_that_lacks_a_scope_is_counted(start_service: StartService) -> None:
    service = await start_service(**LOW_LIMITS)
    credentials = await service.key(Scope.READ)
    for _ in range(3):
        assert (await service.request("DELETE", f"/tasks/{ID}", credentials))[0] == 403
    assert (await service.request("DELETE", f"/tasks/{ID}", credentials))[0] == 429


async def test_headers_show_the_nearer_of_two_limits(start_service: StartService) -> None:
    service = await start_service(rate_limit_read="10/hour", rate_limit_read_address="20/hour")
    credentials = await service.key()
    response = await service.client.get("/operations", headers=credentials.headers)
    assert response.headers["RateLimit-Policy"] == '"rate-limit-read";q=10;w=3600'
    service = await start_service(rate_limit_submit="10/hour", rate_limit_submit_address="5/hour")
    credentials = await service.key(Scope.ADMIN)
    # POST /items/ works on images of this machine: it counts as a submission.
    response = await service.client.post("/items/", headers=credentials.headers)
    assert response.headers["RateLimit-Policy"] == '"rate-limit-submit-address";q=5;w=3600'


async def test_dashboard_works_without_redis(start_service: StartService) -> None:
    unused_url = f"redis://127.0.0.1:{embedded_stores.free_port()}/0"
    service = await start_service(redis_url=unused_url)
    admin = await service.key(Scope.ADMIN)
    assert (await service.request("GET", "/dashboard/api/queue", admin))[0] == 200


async def test_session_cookie_is_found_among_thousands_without_parsing_them(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start_service()
    credentials = await service.key()
    _, response = await service.request("POST", "/login", data={"key": credentials.token})
    session = response.cookies[SESSION_COOKIE].value

    def never(header: str) -> Any:
        raise AssertionError(header)

    monkeypatch.setattr("aiohttp.web_request.parse_cookie_header", never)
    for before, name, status in (
        ("", SESSION_COOKIE, 200),
        ("a;" * 3500, SESSION_COOKIE, 200),
        ("a=b; ", SESSION_COOKIE, 200),
        ("", f"x{SESSION_COOKIE}", 401),
        ("", f"{SESSION_COOKIE}x", 401),
        (f"{SESSION_COOKIE}x=", "", 401),
    ):
        head = {"Cookie": f"{before}{name}={session}; z=1"}
        assert (await service.request("GET", "/operations", headers=head))[0] == status, (
            before,
            name,
        )
