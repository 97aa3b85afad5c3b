"""ALLOW_ANONYMOUS: requests without a key may never do more than those with one."""

from __future__ import annotations

from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.auth import startup_check
from service.auth.permissions import Permission
from tests.project.test_containers import FILES, compose, settings_in_container
from tests.support import api_key_clients
from tests.support.api_key_clients import StartService, route_permissions

ADMINS = [
    pair
    for pair, right in route_permissions(create_app(Settings())).items()
    if right is Permission.ADMIN and pair[0] != "HEAD"
]
OTHERS = {"host": "0.0.0.0", "api_keys": "auto", "allow_anonymous": True}


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


@pytest.mark.parametrize(("method", "path"), ADMINS)
async def test_admin_routes_need_an_admin_key(
    start_service: StartService, method: str, path: str
) -> None:
    service = await start_service(**OTHERS)
    status, body = await service.request(method, path)
    assert (status, body["code"]) == (401, "unauthorized")
    assert "an admin API key is required" in body["detail"]
    assert (await service.request(method, path, await service.key()))[0] == 403
    assert (await service.request(method, path, await service.key(Scope.ADMIN)))[0] not in {
        401,
        403,
    }
    assert (await service.request("GET", "/operations"))[0] == 200
    assert (await service.send(None))["status"] == "CREATED"


@pytest.mark.parametrize("where", [{"host": "0.0.0.0", "allow_anonymous": True}, {}])
async def test_with_keys_off_no_key_is_needed(
    start_service: StartService, where: dict[str, Any]
) -> None:
    service = await start_service(**{"api_keys": "off", **where})
    assert (await service.request("GET", "/metrics"))[0] == 200
    status, body = await service.request("POST", "/items/", json={})
    assert (status, body["setting"]) == (404, "IMAGES_ROOT")  # authorized, but off by default


async def test_containers_allow_keys_and_anonymous(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose(FILES[0])["services"]["service"]["environment"]
    assert settings_in_container(environment, monkeypatch).api_keys_enabled
    everything = settings_in_container(environment, monkeypatch, API_KEYS="off")
    await startup_check.check(everything, store.api_keys.any_live)
    assert not everything.api_keys_enabled
