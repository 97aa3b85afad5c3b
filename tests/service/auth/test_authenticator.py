"""API keys: authentication, scopes, sessions, and a start that requires a key."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from models.auth.api_key import Scope, digest, key_id_of
from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.auth import keys_cli, startup_check
from service.auth.permissions import SCOPES, Permission
from service.auth.session import SESSION_COOKIE
from service.handlers import home
from service.openapi.document import OPENAPI
from standalone.embedded_stores import free_port
from tests.conftest import Client
from tests.support import api_key_clients
from tests.support.api_key_clients import HTML, StartService, route_permissions
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess
from tests.support.task_factory import RESULT, finish

ID = "ab" * 16
_WITHOUT_KEY = {"/", "/login", "/logout", "/docs", "/openapi.json", "/healthz", "/readyz"}
_WITHOUT_KEY |= {"/subscribe/confirm", "/unsubscribe", "/operations"}  # the last one: any key


@pytest.fixture
def start_service(
    settings: Settings, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> StartService:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 0)
    return api_key_clients.service_starter(settings, aiohttp_client)


def routes(settings: Settings) -> list[tuple[str, str, Permission]]:
    """Return (method, path, permission) of every route."""
    return [
        (method, path.replace("{id}", ID).replace("{name}", "x.png"), right)
        for (method, path), right in route_permissions(create_app(settings)).items()
    ]


async def test_a_route_outside_the_table_is_never_served(
    settings: Settings, aiohttp_client: Any
) -> None:
    app = create_app(settings)
    app.router.add_get("/new", home.index)
    assert (await (await aiohttp_client(app)).get("/new")).status == 500


def test_table_grants_what_the_documents_say(settings: Settings) -> None:
    """docs/keys.md in other words than the table's, which all other tests read."""
    table = route_permissions(create_app(settings))
    for (method, path), permission in table.items():
        if method == "HEAD":
            assert permission is table["GET", path]
            continue
        if path.startswith("/dashboard"):
            expected = Scope.ADMIN
        elif path in _WITHOUT_KEY or path.startswith("/static/"):
            expected = None
        elif path in {"/items/", "/items", "/metrics"}:
            expected = Scope.ADMIN
        elif path.endswith("/link") or (method == "GET" and not path.startswith("/send_images/")):
            expected = Scope.READ
        else:
            expected = Scope.SUBMIT
        assert SCOPES.get(permission) == expected, (method, path)


async def test_only_public_routes_answer_without_a_key(
    start_service: StartService, settings: Settings
) -> None:
    service = await start_service()
    short = await service.key()
    last = "1" if short.token[-1] == "0" else "0"
    bad = [
        {},
        {"Authorization": f"Bearer {short.token[:-1]}{last}"},
        {"Authorization": f"Bearer {short.token}0"},
        {"Authorization": f"Bearer dk_{'0' * 16}_{'0' * 64}"},
        {"Authorization": f"Basic {short.token}"},
        {"Authorization": short.token},
        {"X-API-Key": "é"},
        {"X-API-Key": ""},
        {"Cookie": f"{SESSION_COOKIE}={short.token}"},
        {"Cookie": f"{SESSION_COOKIE}=WyJhIiwwXQ.aaaa.bbbb"},
    ]
    for method, path, right in routes(settings):
        if right in {Permission.PUBLIC_UNCOUNTED, Permission.PUBLIC}:
            continue
        for headers in bad if right is Permission.READ else bad[:2]:
            status, body = await service.request(method, path, headers=headers)
            assert status == 401, (method, path, headers)
            if method != "HEAD":
                assert body["code"] == "unauthorized"
                assert short.token not in json.dumps(body)
    response = await service.client.get(f"/tasks/{ID}")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_key_may_do_what_its_scopes_allow(
    start_service: StartService, settings: Settings
) -> None:
    service = await start_service()
    keys = {
        Scope.SUBMIT: await service.key(Scope.SUBMIT),
        Scope.READ: await service.key(Scope.READ),
        Scope.ADMIN: await service.key(Scope.ADMIN),
    }
    for method, path, right in routes(settings):
        if method == "HEAD" or right not in SCOPES:
            continue
        needed = SCOPES[right]
        for scope, credentials in keys.items():
            status, body = await service.request(method, path, credentials)
            if scope in {needed, Scope.ADMIN}:
                assert status not in {401, 403}, (method, path, scope)
            else:
                assert (status, body["scope"]) == (403, str(needed)), (method, path, scope)


async def test_either_header_works_but_not_two_keys(start_service: StartService) -> None:
    service = await start_service()
    one, other = await service.key(), await service.key()
    path = "/operations"
    assert (await service.request("GET", path, headers={"X-API-Key": one.token}))[0] == 200
    assert (await service.request("GET", path, one, headers={"X-API-Key": one.token}))[0] == 200
    assert (await service.request("GET", path, headers={"Authorization": f"bearer {one.token}"}))[
        0
    ] == 200
    status, body = await service.request("GET", path, one, headers={"X-API-Key": other.token})
    assert (status, body["code"]) == (400, "bad_request")


async def test_revoked_everywhere_expired_and_rotated(start_service: StartService) -> None:
    first, second = await start_service(), await start_service()
    credentials = await first.key()
    for service in (first, second):
        assert (await service.request("GET", "/operations", credentials))[0] == 200
    rotated = await first.store.api_keys.rotate(credentials.key.id)
    assert rotated is not None
    anew = api_key_clients.Credentials(*rotated)
    for service in (first, second):
        assert (await service.request("GET", "/operations", credentials))[0] == 401
        assert (await service.request("GET", "/operations", anew))[0] == 200
    assert (await first.store.api_keys.revoke(credentials.key.id)) is not None
    assert await first.store.api_keys.rotate(credentials.key.id) is None
    for service in (first, second):
        assert (await service.request("GET", "/operations", anew))[0] == 401
    expired = await first.key(seconds=-1)
    assert (await first.request("GET", "/operations", expired))[0] == 401


async def test_a_revoked_key_passes_while_it_is_cached(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 60)
    service = await start_service()
    credentials = await service.key()
    assert (await service.request("GET", "/operations", credentials))[0] == 200
    await service.store.api_keys.revoke(credentials.key.id)
    assert (await service.request("GET", "/operations", credentials))[0] == 200
    other = await start_service()  # has not cached it
    assert (await other.request("GET", "/operations", credentials))[0] == 401


async def test_only_the_hash_is_stored_and_use_is_recorded(start_service: StartService) -> None:
    service = await start_service()
    credentials = await service.key()
    await service.request("GET", "/operations", credentials)
    (document,) = [each async for each in service.store._database["keys"].find()]
    assert credentials.token not in str(document) and credentials.token[-64:] not in str(document)
    assert document["digest"] == digest(credentials.token) and len(document["digest"]) == 64
    noted = document["used_at"]
    assert noted is not None
    await service.request("GET", "/operations", credentials)
    again = await service.store.api_keys.get(credentials.key.id)
    assert again is not None and again.used_at == noted
    assert (
        key_id_of(credentials.token) == credentials.key.id
        and key_id_of(credentials.token.upper()) is None
    )


async def test_allow_anonymous_still_refuses_wrong_keys(start_service: StartService) -> None:
    service = await start_service(allow_anonymous=True)
    assert (await service.request("GET", "/operations"))[0] == 200
    status, _ = await service.request("GET", "/operations", headers={"X-API-Key": "dk_no"})
    assert status == 401


@pytest.mark.parametrize("anonymous", [False, True])
def test_openapi_declares_the_security_of_each_route(settings: Settings, anonymous: bool) -> None:
    updated = settings.replace(api_keys="on", allow_anonymous=anonymous)
    app = create_app(updated)
    document, table = app[OPENAPI].document, route_permissions(app)
    assert "Bearer <key>" in document["info"]["description"]
    schemes = document["components"]["securitySchemes"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            permission = table[method.upper(), path]
            security = operation.get("security", [])
            if permission in {Permission.PUBLIC_UNCOUNTED, Permission.PUBLIC}:
                assert security == [], path
                continue
            assert {name for each in security for name in each} <= set(schemes)
            keyless = permission not in {Permission.DASHBOARD, Permission.ADMIN}
            assert ({} in security) == (anonymous and keyless), path
            if permission is not Permission.DASHBOARD:
                assert {"401", "403", "429"} <= set(operation["responses"]), path
    linked = document["paths"]["/processed/{name}"]["get"]["security"]
    assert {"signed_link": ["read"]} in linked or {"signed_link": []} in linked


async def test_event_stream_ends_when_its_key_is_revoked(start_service: StartService) -> None:
    service = await start_service()
    credentials = await service.key()
    task = await service.send(credentials)
    path = f"/tasks/{task['task_id']}/events"
    async with service.client.get(path, headers=credentials.headers) as stream:
        await stream.content.readuntil(b"\n\n")
        await service.store.api_keys.revoke(credentials.key.id)
        async with asyncio.timeout(60):
            rest = await stream.content.read()
    assert b"event: end" not in rest


async def test_dashboard_links_to_results_of_keys(start_service: StartService) -> None:
    service = await start_service()
    task = await service.send(await service.key())
    await finish(service.store, task["task_id"])
    path = f"/dashboard/api/tasks/{task['task_id']}"
    admin = await service.key(Scope.ADMIN)
    cookies = await session(service, admin)
    for credentials in ({"credentials": admin}, {"cookies": cookies}):
        _, body = await service.request("GET", path, **credentials)
        assert body["url"] == body["results"][0]["url"]
        status, response = await service.request("GET", body["url"], **credentials)
        assert (status, await response.read()) == (200, RESULT)
    assert (await service.request("GET", body["url"]))[0] == 401


# Sessions


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
    path = f"/tasks/{ID}"
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


# Start


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "pictures.example.org"])
async def test_other_address_than_loopback_needs_keys_or_allow_anonymous(
    settings: Settings, store: Store, host: str
) -> None:
    def updated(**update: Any) -> Settings:
        return settings.replace(**{"host": host, **update})

    for update in ({}, {"api_keys": "on"}, {"api_keys": "off"}):
        with pytest.raises(BadSettings, match="ALLOW_ANONYMOUS=1"):
            await startup_check.check(updated(**update), store.api_keys.any_live)
        await startup_check.check(updated(**update, allow_anonymous=True), store.api_keys.any_live)
    key, _ = await store.api_keys.create("ann", api_key_clients.BOTH, -1)
    with pytest.raises(BadSettings, match="no API key"):  # it has expired
        await startup_check.check(updated(), store.api_keys.any_live)
    key, _ = await store.api_keys.create("ann", api_key_clients.BOTH)
    await startup_check.check(updated(), store.api_keys.any_live)
    with pytest.raises(BadSettings, match="API_KEYS=off"):
        await startup_check.check(updated(api_keys="off"), store.api_keys.any_live)
    await store.api_keys.revoke(key.id)
    with pytest.raises(BadSettings, match="service keys create"):
        await startup_check.check(updated(), store.api_keys.any_live)


async def test_loopback_needs_no_key(client: Client) -> None:
    assert (await client.get("/operations")).status == 200
    assert (await client.get("/login", allow_redirects=False)).status == 303


async def test_keys_command_creates_lists_rotates_and_revokes(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(keys_cli.run, settings, arguments)
        return status, capsys.readouterr().out

    status, out = await run("create", "Ann's phone", "--scopes", "read", "--expires", "2")
    assert status == 0 and re.fullmatch(r"dk_[0-9a-f]{16}_[0-9a-f]{64}\n", out)
    key_id = key_id_of(out.strip())
    assert key_id is not None
    key = await store.api_keys.get(key_id)
    assert key is not None and key.matches(out.strip())
    assert (key.name, key.scopes, key.active) == ("Ann's phone", [Scope.READ], True)
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).total_seconds() == 2 * 86400
    status, listed = await run("list")
    assert status == 0 and key_id in listed and "live" in listed and out.strip()[-64:] not in listed
    assert (await run("revoke", key_id))[0] == 0
    assert "revoked" in (await run("list"))[1]
    assert (await run("rotate", key_id))[0] == 2
    assert (await run("revoke", "$ne"))[0] == 2
    for wrong in (["create", "a\x1b[0m"], ["create", "a", "--scopes", "root"], ["create", ""]):
        with pytest.raises(SystemExit):
            await run(*wrong)


async def test_keys_command_reports_a_missing_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_cli.run(Settings().replace(data_dir=tmp_path), ["list"]) == 2
    assert "MONGO_URL" in capsys.readouterr().err


@pytest.mark.timeout(300)
async def test_service_refuses_to_start_open_and_names_both_settings(settings: Settings) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "MONGO_URL": settings.stores.mongo_url,
            "REDIS_URL": settings.stores.redis_url,
            "MONGO_DB": settings.stores.mongo_db,
            "HOST": "0.0.0.0",
            "PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 2
    assert "ALLOW_ANONYMOUS=1" in done.stderr and "service keys create" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.integration
def test_supervisor_refuses_too_and_does_not_restart(tmp_path: Any) -> None:
    darkroom = StandaloneProcess(tmp_path / "data", HOST="0.0.0.0")
    darkroom.launch()
    assert darkroom.process is not None
    assert darkroom.process.wait(280) == 2
    assert darkroom.log.read_text().count("ALLOW_ANONYMOUS=1") == 1
