"""Authorization of the dashboard: admin keys, their sessions, loopback, cross-site requests."""

from __future__ import annotations

import logging
from http.cookies import SimpleCookie
from typing import Any

import pytest

from models.auth.api_key import Scope
from models.loopback import is_loopback
from models.settings import Settings
from service.app import create_app
from service.auth.session import SESSION_COOKIE
from tests.support import api_key_clients
from tests.support.api_key_clients import HTML, Credentials, KeyedService, StartService

ANYBODY = {"api_keys": "off", "allow_anonymous": True}
ID = "ab" * 16
MISSING = [f"/api/tasks/{ID}", f"/api/tasks/{ID}/original"]
READS = [
    *("", "/api/workers", "/api/queue", "/api/history", "/api/tasks", "/api/webhooks"),
    *("/api/activity", "/api/health"),
    *MISSING,
]
CHANGES = [
    f"/api/tasks/{ID}/retry",
    f"/api/tasks/{ID}/cancel",
    f"/api/webhooks/{ID}/redeliver",
    "/api/workers/x:1/drain",
    "/api/workers/x:1/resume",
]
EVERY = [("GET", path) for path in READS] + [("POST", path) for path in CHANGES]
HOST = "http://{client.host}:{client.port}"


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


@pytest.fixture
async def service(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> KeyedService:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 0)
    return await start_service()


async def ask(service: KeyedService, method: str, path: str, *key: Any, **options: Any) -> Any:
    """Return (status, JSON body or response) of a request to the dashboard."""
    return await service.request(method, f"/dashboard{path}", *key, **options)


async def log_in(service: KeyedService, key: Credentials, **options: Any) -> tuple[int, Any]:
    data = {"key": key.token, "next": "/dashboard?status=FAILURE"}
    return await service.request("POST", "/login", data=data, **options)


async def session(service: KeyedService) -> dict[str, str]:
    _, response = await log_in(service, await service.key(Scope.ADMIN))
    return {SESSION_COOKIE: SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE].value}


def test_all_dashboard_routes_are_covered_here(settings: Settings) -> None:
    app = create_app(settings)
    known = {
        (route.method, route.resource.canonical.replace("{id}", ID).replace("{name}", "x:1"))
        for route in app.router.routes()
        if route.resource and route.resource.canonical.startswith("/dashboard")
    }
    asked = {(method, f"/dashboard{path}") for method, path in EVERY}
    assert {pair for pair in known if pair[0] != "HEAD"} == asked


async def test_every_route_needs_an_admin_key(service: KeyedService) -> None:
    admin, plain = await service.key(Scope.ADMIN), await service.key()
    wrong = [
        {},
        {"Authorization": f"Bearer {admin.token[:-1]}x"},
        {"Authorization": f"Basic {admin.token}"},
        {"Authorization": admin.token},
        {"X-API-Key": ""},
        {"Cookie": f"{SESSION_COOKIE}={admin.token}"},
        {"Cookie": f"{SESSION_COOKIE}=ImFiY2Qi.aaaa.bbbb"},
    ]
    for method, path in EVERY:
        for headers in wrong:
            status, body = await ask(service, method, path, headers=headers)
            assert (status, body["code"]) == (401, "unauthorized"), headers
            assert admin.token not in str(body)
        status, body = await ask(service, method, path, plain)
        assert (status, body["scope"]) == (403, "admin")
        status, _ = await ask(service, method, path, admin)
        assert status == (404 if ID in path or method == "POST" else 200)


async def test_programs_get_401_and_browsers_the_login_form(service: KeyedService) -> None:
    _, body = await ask(service, "GET", "/api/queue")
    assert body["status"] == 401
    _, response = await ask(service, "GET", "?status=FAILURE", headers=HTML)
    assert response.status == 303
    assert response.headers["Location"] == "/login?next=/dashboard?status%3DFAILURE"
    _, response = await service.request("GET", response.headers["Location"], headers=HTML)
    page = await response.text()
    assert 'value="/dashboard?status=FAILURE"' in page and 'type="password"' in page


async def test_login_leads_to_the_dashboard_and_its_session_ends_with_the_key(
    service: KeyedService,
) -> None:
    admin = await service.key(Scope.ADMIN)
    status, response = await log_in(service, admin, headers=HTML)
    assert (status, response.headers["Location"]) == (303, "/dashboard?status=FAILURE")
    cookies = {SESSION_COOKIE: SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE].value}
    for path in READS[: -len(MISSING)]:
        assert (await ask(service, "GET", path, cookies=cookies))[0] == 200
    await service.store.api_keys.revoke(admin.key.id)
    assert (await ask(service, "GET", "/api/queue", cookies=cookies))[0] == 401


async def test_a_key_without_the_scope_admin_is_refused_on_the_form(service: KeyedService) -> None:
    plain = await service.key()
    status, body = await log_in(service, plain)
    assert (status, body["scope"]) == (403, "admin")
    status, page = await log_in(service, plain, headers=HTML)
    assert status == 403 and "lacks the scope admin" in await page.text()
    assert "Set-Cookie" not in page.headers


async def test_a_lone_surrogate_in_a_login_is_400_not_500(service: KeyedService) -> None:
    head = {"Accept": "text/html", "Content-Type": "application/json"}
    body = b'{"key": "x", "next": "\\ud800"}'
    assert (await service.request("POST", "/login", data=body, headers=head))[0] == 400


async def test_login_redirects_only_to_pages_of_this_service(service: KeyedService) -> None:
    key = (await service.key(Scope.ADMIN)).token
    evils = ["//evil.example", "https://evil.example/", "\r\nX: y", "/\\evil.example", "#x"]
    evils += ["/dashboard/../x", "/dashboardx", "https://evil.example/dashboard", "//[", "/x"]
    for evil in evils:
        data = {"key": key, "next": evil}
        status, response = await service.request("POST", "/login", data=data)
        assert (status, response.headers["Location"]) == (303, "/"), evil
    data = {"key": key, "next": "/dashboard?a=1&b=\\evil\r\nX: y"}
    _, response = await service.request("POST", "/login", data=data)
    assert response.headers["Location"].startswith("/dashboard?a=1&b=")
    assert "\n" not in response.headers["Location"] and "X" not in response.headers


async def test_cross_site_requests_are_blocked(service: KeyedService) -> None:
    cookies = await session(service)
    host = HOST.format(client=service.client)
    evil: list[dict[str, str]] = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{service.client.host}:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": host, "Sec-Fetch-Site": "cross-site"},
    ]
    for path in CHANGES:
        for headers in evil:
            status, body = await ask(service, "POST", path, cookies=cookies, headers=headers)
            assert (status, body["code"]) == (403, "forbidden"), headers
        for headers in ({"Origin": host}, {"Sec-Fetch-Site": "same-origin"}):
            assert (await ask(service, "POST", path, cookies=cookies, headers=headers))[0] == 404


async def test_without_keys_loopback_is_allowed_and_its_origin_checked(
    start_service: StartService,
) -> None:
    service = await start_service(api_keys="off")
    for path in READS[: -len(MISSING)]:
        assert (await ask(service, "GET", path))[0] == 200
    _, response = await service.request("GET", "/login?next=/dashboard")
    assert response.headers["Location"] == "/dashboard"
    evil = {"Origin": "http://evil.example"}
    for path in CHANGES:
        assert (await ask(service, "POST", path))[0] == 404  # curl
        assert (await ask(service, "POST", path, headers=evil))[0] == 403
    assert (await service.request("POST", "/login", data={"key": ""}))[0] == 403


async def test_without_keys_only_loopback_is_allowed(start_service: StartService) -> None:
    here = await start_service(api_keys="off")
    strangers: list[tuple[KeyedService, dict[str, str]]] = [
        (await start_service(host="0.0.0.0", **ANYBODY), {}),
        (await start_service(host="192.168.1.5", **ANYBODY), {}),
        (await start_service(api_keys="off", proxies=1), {}),
        (here, {"Host": "192.0.2.7"}),  # other names are refused by service.http.request_checks
        (here, {"X-Forwarded-For": "203.0.113.5"}),
    ]
    for service, headers in strangers:
        for method, path in EVERY:
            status, body = await ask(service, method, path, headers=headers)
            assert (status, body["code"]) == (403, "forbidden")
            assert "set API_KEYS=on" in body["detail"] and body["setting"] == "API_KEYS"
            status, shown = await ask(service, method, path, headers={**headers, **HTML})
            assert (status, shown.content_type) == (403, "text/html")


def test_loopback_names() -> None:
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        assert is_loopback(name)
    for name in ("", "0.0.0.0", "::", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "é"):
        assert not is_loopback(name)
    assert is_loopback("::ffff:127.0.0.1")


async def test_wrong_keys_are_limited_per_address(start_service: StartService) -> None:
    limits = {"rate_limits": "on", "rate_limit_auth_failures": "3/hour", "proxies": 1}
    service, other = await start_service(**limits), await start_service(**limits)
    admin = await service.key(Scope.ADMIN)
    mine, others = {"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "203.0.113.6"}
    wrong = Credentials(admin.key, admin.token[:-1] + "x")
    for _ in range(3):
        assert (await log_in(service, wrong, headers=mine))[0] == 401
    for key in (wrong, admin):  # the right key is refused too, also by another process
        status, body = await log_in(other, key, headers=mine)
        assert (status, body["setting"]) == (429, "RATE_LIMIT_AUTH_FAILURES")
        assert 3500 < body["retry_after"] <= 3600
    status, page = await log_in(other, admin, headers={**mine, **HTML})
    assert (status, page.content_type) == (429, "text/html")
    assert int(page.headers["Retry-After"]) > 3500
    assert (await ask(service, "GET", "/api/queue", admin, headers=others))[0] == 200


async def test_no_key_is_logged(
    service: KeyedService, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    admin = await service.key(Scope.ADMIN)
    with caplog.at_level(logging.DEBUG):
        await service.request("POST", "/login", data={"key": "guessed-in-vain-1"}, headers=HTML)
        await log_in(service, admin)
        guess = {"Authorization": "Bearer guessed-in-vain-2"}
        await ask(service, "GET", "/api/queue", headers=guess)
    said = caplog.text + "".join(capfd.readouterr())
    assert "login_failed" in said and "guessed" not in said and admin.token not in said


async def test_hostile_keys_are_401(service: KeyedService) -> None:
    admin = await service.key(Scope.ADMIN)
    for token in ("", "ä" * 30, admin.token + "\x00", "x" * 5000, admin.token.upper()):
        status, body = await service.request("POST", "/login", data={"key": token})
        assert (status, body["code"]) == (401, "unauthorized")
