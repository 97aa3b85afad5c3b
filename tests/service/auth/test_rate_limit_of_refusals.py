"""Whoever is refused at the door has been counted: what a stranger's refusal costs is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from service.auth.session import SESSION_COOKIE
from standalone import embedded_stores
from tests.support import api_key_clients
from tests.support.api_key_clients import Door, Opened

ID = "ab" * 16
FEW = {"rate_limit_read_address": "3/hour", "rate_limit_submit_address": "3/hour"}


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    start = api_key_clients.opening(settings, aiohttp_client)

    async def counted(**update: Any) -> Door:
        return await start(**{"rate_limits": "on", "rate_limit_auth_failures": "", **update})

    return counted


LINK = "/processed/x.png?expires=99999999999&signature=00"


@pytest.mark.parametrize(
    ("method", "path", "status", "what"),
    [
        ("GET", "/operations", 401, "READ"),
        ("POST", "/thumbnail", 401, "SUBMIT"),
        ("POST", "/items/", 401, "SUBMIT"),
        ("GET", "/metrics", 401, "READ"),
        ("GET", LINK, 403, "READ"),
        ("GET", "/dashboard", 401, "READ"),
        ("GET", "/dashboard/api/queue", 401, "READ"),
        ("POST", f"/dashboard/api/tasks/{ID}/cancel", 401, "READ"),
        ("POST", "/dashboard/login", 401, "READ"),
    ],
)
async def test_refusals_are_counted(
    opened: Opened, method: str, path: str, status: int, what: str
) -> None:
    door = await opened(**FEW)
    for left in (2, 1, 0):
        answer = await door.client.request(method, path)
        assert answer.status == status
        name = f"rate-limit-{what.lower()}-address"
        assert answer.headers["RateLimit"].startswith(f'"{name}";r={left};')
    for shown in (None, await door.key(Scope.ADMIN)):
        refusal, body = await door.ask(method, path, shown)
        assert (refusal, body["setting"]) == (429, f"RATE_LIMIT_{what}_ADDRESS")
    for path in ("/healthz", "/readyz", "/static/upload.js"):  # not counted, and never refused
        answer = await door.client.get(path)
        assert answer.status != 429 and "RateLimit" not in answer.headers


async def test_a_key_that_lacks_a_scope_is_counted(opened: Opened) -> None:
    door = await opened(**FEW)
    shown = await door.key(Scope.READ)
    for _ in range(3):
        assert (await door.ask("DELETE", f"/tasks/{ID}", shown))[0] == 403
    assert (await door.ask("DELETE", f"/tasks/{ID}", shown))[0] == 429


async def test_headers_show_the_nearer_of_two_limits(opened: Opened) -> None:
    door = await opened(rate_limit_read="10/hour", rate_limit_read_address="20/hour")
    shown = await door.key()
    answer = await door.client.get("/operations", headers=shown.headers)
    assert answer.headers["RateLimit-Policy"] == '"rate-limit-read";q=10;w=3600'
    door = await opened(rate_limit_submit="10/hour", rate_limit_submit_address="5/hour")
    shown = await door.key(Scope.ADMIN)
    # What works at pictures of this machine is no reading.
    answer = await door.client.post("/items/", headers=shown.headers)
    assert answer.headers["RateLimit-Policy"] == '"rate-limit-submit-address";q=5;w=3600'


async def test_dashboard_works_without_redis(opened: Opened) -> None:
    away = f"redis://127.0.0.1:{embedded_stores.free_port()}/0"
    door = await opened(redis_url=away, rate_limit_fail_mode="closed", admin_token="t" * 16)
    token = {"Authorization": f"Bearer {'t' * 16}"}
    assert (await door.ask("GET", "/operations", await door.key()))[0] == 503
    assert (await door.ask("GET", "/dashboard/api/queue", headers=token))[0] == 200


async def test_session_cookie_is_found_among_thousands_without_parsing_them(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await opened()
    shown = await door.key()
    _, answer = await door.ask("POST", "/login", data={"key": shown.token})
    session = answer.cookies[SESSION_COOKIE].value

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
        assert (await door.ask("GET", "/operations", headers=head))[0] == status, (before, name)
