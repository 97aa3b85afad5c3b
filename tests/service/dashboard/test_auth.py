"""Authentication of the dashboard: tokens, sessions, loopback, cross-site requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest

from models.auth.tokens import Tokens
from models.loopback import is_loopback
from models.settings import Settings
from service.app import create_app
from service.app_keys import TOKENS
from service.dashboard.auth import SESSION_COOKIE
from tests.conftest import Client

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ANYBODY = {"api_keys": "off", "allow_anonymous": True}
HTML = {"Accept": "text/html"}
ID = "ab" * 16
READS = [
    *("", "/api/workers", "/api/queue", "/api/history", "/api/tasks", "/api/webhooks"),
    f"/api/tasks/{ID}",
]
CHANGES = [
    f"/api/tasks/{ID}/retry",
    f"/api/tasks/{ID}/cancel",
    f"/api/webhooks/{ID}/redeliver",
    "/api/workers/x:1/drain",
    "/api/workers/x:1/resume",
]
EVERY = [("GET", path) for path in READS] + [("POST", path) for path in CHANGES]

Open = Callable[..., Awaitable[Client]]


@pytest.fixture
async def opened(settings: Settings, aiohttp_client: Any) -> Open:
    """Start the application with changed settings; no cookie is kept between requests."""

    async def start(**update: Any) -> Client:
        app = create_app(Settings(**{**settings.model_dump(), **update}))
        client: Client = await aiohttp_client(app, cookie_jar=aiohttp.DummyCookieJar())
        return client

    return start


@pytest.fixture
async def locked(opened: Open) -> Client:
    return await opened(admin_token=TOKEN)


async def ask(client: Client, method: str, path: str, **options: Any) -> tuple[int, Any]:
    response = await client.request(method, f"/dashboard{path}", allow_redirects=False, **options)
    problem = response.content_type == "application/problem+json"
    return response.status, await response.json() if problem else response


async def session(client: Client) -> dict[str, str]:
    status, response = await ask(client, "POST", "/login", data={"token": TOKEN})
    assert status == 303
    return {SESSION_COOKIE: SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE].value}


def test_all_dashboard_routes_are_covered_here(settings: Settings) -> None:
    app = create_app(settings)
    known = {
        (route.method, route.resource.canonical.replace("{id}", ID).replace("{name}", "x:1"))
        for route in app.router.routes()
        if route.resource and route.resource.canonical.startswith("/dashboard")
    }
    login_routes = {("GET", "/login"), ("POST", "/login"), ("POST", "/logout")}
    asked = {(method, f"/dashboard{path}") for method, path in {*EVERY, *login_routes}}
    assert {pair for pair in known if pair[0] != "HEAD"} == asked


async def test_with_admin_token_every_route_needs_it(opened: Open) -> None:
    locked = await opened(
        admin_token=TOKEN, admin_login_failures=1000, admin_login_failures_total=1000
    )
    wrong = [
        {},
        {"Authorization": "Bearer wrong-horse-battery"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Cookie": f"{SESSION_COOKIE}={TOKEN}"},
        {"Cookie": f"{SESSION_COOKIE}=ImFiY2Qi.aaaa.bbbb"},
    ]
    for method, path in EVERY:
        for headers in wrong:
            status, body = await ask(locked, method, path, headers=headers)
            assert (status, body["code"]) == (401, "unauthorized"), headers
            assert TOKEN not in str(body)
        status, _ = await ask(locked, method, path, headers=BEARER)
        assert status == (404 if ID in path or method == "POST" else 200)


async def test_programs_get_401_and_browsers_the_login_form(locked: Client) -> None:
    response = await locked.get("/dashboard/api/queue")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    response = await locked.get("/dashboard?status=FAILURE", headers=HTML, allow_redirects=False)
    assert response.status == 303
    assert response.headers["Location"] == "/dashboard/login?next=status%3DFAILURE"
    page = await (await locked.get(response.headers["Location"], headers=HTML)).text()
    assert 'value="status=FAILURE"' in page and 'type="password"' in page


async def test_login_session_and_logout(locked: Client) -> None:
    form = {"token": f" {TOKEN} ", "next": "status=FAILURE"}
    status, response = await ask(locked, "POST", "/login", data=form, headers=HTML)
    assert (status, response.headers["Location"]) == (303, "/dashboard?status=FAILURE")
    cookie = SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    assert (cookie["path"], cookie["max-age"], cookie["secure"]) == ("/dashboard", "43200", "")
    assert TOKEN not in cookie.value
    cookies = {SESSION_COOKIE: cookie.value}
    for path in READS[:-1]:
        assert (await ask(locked, "GET", path, cookies=cookies))[0] == 200
    status, response = await ask(locked, "POST", "/logout", cookies=cookies)
    assert (status, response.headers["Location"]) == (303, "/dashboard/login")
    assert SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE].value == ""


async def test_a_lone_surrogate_in_a_login_is_401_not_500(locked: Client) -> None:
    head = {"Accept": "text/html", "Content-Type": "application/json"}
    body = b'{"token": "x", "next": "\\ud800"}'
    answer = await locked.post("/dashboard/login", data=body, headers=head)
    assert answer.status == 401


async def test_login_redirects_only_to_the_dashboard(locked: Client) -> None:
    for evil in ("//evil.example", "https://evil.example/", "\r\nX: y", "a=1&b=\\evil", "#x"):
        status, response = await ask(locked, "POST", "/login", data={"token": TOKEN, "next": evil})
        assert status == 303
        assert response.headers["Location"].startswith("/dashboard")
        assert "\n" not in response.headers["Location"] and "X" not in response.headers


async def test_the_cookie_is_secure_behind_an_https_proxy(opened: Open) -> None:
    client = await opened(admin_token=TOKEN, proxies=1)
    secure = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
    _, response = await ask(client, "POST", "/login", data={"token": TOKEN}, headers=secure)
    assert SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE]["secure"] is True


async def test_sessions_end_on_expiry_and_on_a_new_token(settings: Settings) -> None:
    def tokens(**update: Any) -> Tokens:
        return Tokens("k" * 40, Settings(**{**settings.model_dump(), **update}))

    made = tokens(admin_token=TOKEN).make_session()
    assert tokens(admin_token=TOKEN).is_session_valid(made)
    assert not tokens(admin_token="another-horse-battery").is_session_valid(made)
    assert not Tokens("l" * 40, settings).is_session_valid(made)
    for evil in ("", "ä", "x" * 1000, made[:-1], made + "A"):
        assert not tokens(admin_token=TOKEN).is_session_valid(evil)
    expired = tokens(admin_token=TOKEN)
    expired._session_ttl = -1
    assert not expired.is_session_valid(made)


async def test_cross_site_requests_are_blocked(locked: Client) -> None:
    cookies = await session(locked)
    host = f"http://{locked.host}:{locked.port}"
    evil: list[dict[str, str]] = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{locked.host}:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": host, "Sec-Fetch-Site": "cross-site"},
    ]
    for path in CHANGES:
        for headers in evil:
            status, body = await ask(locked, "POST", path, cookies=cookies, headers=headers)
            assert (status, body["code"]) == (403, "forbidden"), headers
        for headers in ({"Origin": host}, {"Sec-Fetch-Site": "same-origin"}):
            assert (await ask(locked, "POST", path, cookies=cookies, headers=headers))[0] == 404


async def test_without_admin_token_loopback_is_allowed_and_its_origin_checked(
    opened: Open,
) -> None:
    client = await opened()
    for path in READS[:-1]:
        assert (await ask(client, "GET", path))[0] == 200
    assert (await ask(client, "GET", "/login"))[1].headers["Location"] == "/dashboard"
    evil = {"Origin": "http://evil.example"}
    for path in CHANGES:
        assert (await ask(client, "POST", path))[0] == 404  # curl
        assert (await ask(client, "POST", path, headers=evil))[0] == 403
    assert (await ask(client, "POST", "/login", data={"token": ""}))[0] == 403


async def test_without_admin_token_only_loopback_is_allowed(opened: Open) -> None:
    here = await opened()
    strangers: list[tuple[Client, dict[str, str]]] = [
        (await opened(host="0.0.0.0", **ANYBODY), {}),
        (await opened(host="192.168.1.5", **ANYBODY), {}),
        (await opened(proxies=1), {}),
        (here, {"Host": "192.0.2.7"}),  # other names are refused by service.http.allowed_hosts
        (here, {"X-Forwarded-For": "203.0.113.5"}),
    ]
    for client, headers in strangers:
        for method, path in EVERY:
            status, body = await ask(client, method, path, headers=headers)
            assert (status, body["code"]) == (403, "forbidden")
            assert "set ADMIN_TOKEN" in body["detail"]
            status, shown = await ask(client, method, path, headers={**headers, **HTML})
            assert (status, shown.content_type) == (403, "text/html")
            assert "ADMIN_TOKEN" in await shown.text()


def test_loopback_names() -> None:
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        assert is_loopback(name)
    for name in ("", "0.0.0.0", "::", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "é"):
        assert not is_loopback(name)
    assert is_loopback("::ffff:127.0.0.1")


async def test_wrong_tokens_are_limited_per_client(opened: Open) -> None:
    client = await opened(admin_token=TOKEN, admin_login_failures=3, proxies=1)
    mine, other = {"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "203.0.113.6"}
    for _ in range(3):
        status, _ = await ask(client, "POST", "/login", data={"token": "no"}, headers=mine)
        assert status == 401
    for token in ("no", TOKEN):  # the right token is rejected too
        status, body = await ask(client, "POST", "/login", data={"token": token}, headers=mine)
        assert (status, body["code"], body["setting"]) == (
            429,
            "rate_limited",
            "ADMIN_LOGIN_FAILURES",
        )
        assert 3500 < body["retry_after"] <= 3600
    assert (await ask(client, "GET", "/api/queue", headers={**mine, **BEARER}))[0] == 429
    status, page = await ask(
        client, "POST", "/login", data={"token": TOKEN}, headers={**mine, **HTML}
    )
    assert (status, page.content_type) == (429, "text/html")
    assert int(page.headers["Retry-After"]) > 3500
    assert (await ask(client, "GET", "/api/queue", headers={**other, **BEARER}))[0] == 200


async def test_wrong_tokens_are_limited_in_total(opened: Open, settings: Settings) -> None:
    client = await opened(admin_token=TOKEN, admin_login_failures_total=5, proxies=1)
    cookies = await session(client)

    async def guess(number: int) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "Authorization": "Bearer no"}
        return (await ask(client, "GET", "/api/queue", headers=headers))[0]

    statuses = await asyncio.gather(*(guess(number) for number in range(20)))
    assert sorted(statuses) == [401] * 5 + [429] * 15
    assert (await ask(client, "GET", "/api/queue", cookies=cookies))[
        0
    ] == 200  # an existing session still works


async def test_no_token_is_logged(
    locked: Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        await ask(locked, "POST", "/login", data={"token": "guessed-in-vain-1"})
        await session(locked)
        await ask(
            locked, "GET", "/api/queue", headers={"Authorization": "Bearer guessed-in-vain-2"}
        )
    said = caplog.text + "".join(capfd.readouterr())
    assert "guessed" not in said and TOKEN not in said
    assert "127.0.0.1" not in str([r for r in said.splitlines() if "login_failed" in r])


async def test_hostile_tokens_are_401(locked: Client) -> None:
    for token in ("", "ä" * 30, TOKEN + "\x00", "x" * 5000, TOKEN.upper()):
        status, body = await ask(locked, "POST", "/login", data={"token": token})
        assert (status, body["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("token", ["short", "ä" * 20, "x" * 20 + "\n"])
def test_admin_token_must_be_long_and_printable_ascii(token: str) -> None:
    with pytest.raises(ValueError, match="admin_token") as refusal:
        Settings(admin_token=token)
    assert "characters; 16 or more" in str(refusal.value) or "ASCII" in str(refusal.value)


async def test_sessions_are_signed_with_the_stored_secret(locked: Client) -> None:
    assert locked.app is not None
    cookies = await session(locked)
    assert locked.app[TOKENS].is_session_valid(cookies[SESSION_COOKIE])
