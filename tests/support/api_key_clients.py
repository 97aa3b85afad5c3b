"""Services that require API keys, and clients that send them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from models.auth.api_key import ApiKey, Scope
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from service.auth.permissions import PERMISSIONS, Permission
from tests.conftest import Client
from tests.support import images

BOTH = (Scope.SUBMIT, Scope.READ)
HTML = {"Accept": "text/html"}


def route_permissions(app: web.Application) -> dict[tuple[str, str], Permission]:
    """Return what each method and path requires."""
    return {
        (route.method, route.resource.canonical): app[PERMISSIONS][route]
        for route in app.router.routes()
        if route.resource is not None
    }


StartService = Callable[..., Awaitable["KeyedService"]]


@dataclass
class Credentials:
    """An API key and its token."""

    key: ApiKey
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class KeyedService:
    """A service with API keys on, and a client of it that keeps no cookies."""

    client: Client
    settings: Settings

    @property
    def store(self) -> Store:
        return self.client.app[STORE]

    async def key(
        self, *scopes: Scope, name: str = "ann", seconds: float | None = None
    ) -> Credentials:
        return Credentials(*await self.store.api_keys.create(name, scopes or BOTH, seconds))

    async def request(
        self, method: str, path: str, credentials: Credentials | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Return the status, and the JSON body or else the response."""
        headers = {**(credentials.headers if credentials else {}), **options.pop("headers", {})}
        response = await self.client.request(
            method, path, headers=headers, allow_redirects=False, **options
        )
        if method != "HEAD" and "json" in response.content_type:
            return response.status, await response.json()
        await response.read()
        return response.status, response

    async def send(
        self,
        credentials: Credentials | None,
        data: bytes | None = None,
        op: str = "thumbnail",
        **fields: str,
    ) -> Any:
        form = images.form(images.png() if data is None else data, "cat.png", **fields)
        status, body = await self.request("POST", f"/{op}", credentials, data=form)
        assert status in {200, 202}, body
        return body


def service_starter(settings: Settings, aiohttp_client: Any) -> StartService:
    async def start(**update: Any) -> KeyedService:
        chosen = settings.replace(**{"api_keys": "on", "rate_limits": "off", **update})
        jar = aiohttp.DummyCookieJar()
        client: Client = await aiohttp_client(create_app(chosen), cookie_jar=jar)
        return KeyedService(client, chosen)

    return start
