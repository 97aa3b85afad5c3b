"""Sessions of keys: the login page, its cookie and its limits."""

from __future__ import annotations

from http.cookies import SimpleCookie

from service.auth.session import SESSION_COOKIE
from tests.support import api_key_clients
from tests.support.api_key_clients import HTML, StartService


async def session(
    service: api_key_clients.KeyedService, credentials: api_key_clients.Credentials
) -> dict[str, str]:
    status, response = await service.request(
        "POST", "/login", data={"key": f" {credentials.token} "}
    )
    assert (status, response.headers["Location"]) == (303, "/")
    cookie = SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert credentials.token not in cookie.value
    return {SESSION_COOKIE: cookie.value}


async def test_login_and_logout_on_the_page(start_service: StartService) -> None:
    service = await start_service()
    credentials = await service.key(name="Ann <b>")
    status, response = await service.request("GET", "/", headers=HTML)
    assert (status, response.headers["Location"]) == (303, "/login")
    status, response = await service.request("GET", "/login", headers=HTML)
    assert status == 200 and 'type="password"' in await response.text()
    cookies = await session(service, credentials)
    status, response = await service.request("GET", "/", headers=HTML, cookies=cookies)
    assert status == 200 and "Ann &lt;b&gt;" in await response.text()
    assert (await service.request("GET", "/operations", cookies=cookies))[0] == 200
    status, response = await service.request("POST", "/logout", cookies=cookies)
    assert SimpleCookie(response.headers["Set-Cookie"])[SESSION_COOKIE].value == ""
    await service.store.api_keys.rotate(credentials.key.id)  # ends its sessions
    assert (await service.request("GET", "/operations", cookies=cookies))[0] == 401


async def test_session_cannot_be_used_cross_site(start_service: StartService) -> None:
    service = await start_service()
    credentials = await service.key()
    cookies = await session(service, credentials)
    path = f"/tasks/{'ab' * 16}"
    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        status, body = await service.request("DELETE", path, cookies=cookies, headers=headers)
        assert (status, body["code"]) == (403, "forbidden"), headers
        if headers:
            status, _ = await service.request("POST", "/login", data={"key": "x"}, headers=headers)
            assert status == 403
    own = {"Sec-Fetch-Site": "same-origin"}
    assert (await service.request("DELETE", path, cookies=cookies, headers=own))[0] == 404
    assert (await service.request("DELETE", path, credentials))[
        0
    ] == 404  # programs send neither header


async def test_login_page_reports_a_wrong_key(start_service: StartService) -> None:
    service = await start_service()
    status, response = await service.request("POST", "/login", data={"key": "dk_<b>"}, headers=HTML)
    text = await response.text()
    assert status == 401 and 'role="alert"' in text and "dk_<b>" not in text
