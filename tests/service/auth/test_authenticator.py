"""API keys: authentication, scopes, permissions of each route."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from models.auth.api_key import Scope, digest, key_id_of
from models.settings import Settings
from service.app import create_app
from service.auth.permissions import SCOPES, Permission
from service.auth.session import SESSION_COOKIE
from service.handlers import home
from service.openapi.document import OPENAPI
from tests.service.auth.test_key_session import session
from tests.support import api_key_clients
from tests.support.api_key_clients import StartService, route_permissions
from tests.support.task_factory import RESULT, finish

ID = "ab" * 16
_WITHOUT_KEY = {"/", "/login", "/logout", "/docs", "/openapi.json", "/healthz", "/readyz"}
_WITHOUT_KEY |= {"/subscribe/confirm", "/unsubscribe"}
_WITHOUT_KEY |= {"/operations", "/presets"}  # any key


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
