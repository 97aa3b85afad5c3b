"""Host header check against DNS rebinding: other hosts are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from service.http.request_checks import is_allowed_host
from tests.conftest import Client
from tests.service.uploads.test_incoming_file import refused

StartClient = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start_client(settings: Settings, aiohttp_client: Any) -> StartClient:
    async def start(**update: Any) -> Client:
        client: Client = await aiohttp_client(create_app(settings.replace(**update)))
        return client

    return start


LOOPBACK = ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"]
FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost:999999",
    "localhost:80:80",
    "user@localhost",
    "localhost/x",
    "a b",
    "[::1",
    "*",
]


@pytest.mark.parametrize("path", ["/", "/operations", "/tasks/x", "/dashboard", "/nope"])
async def test_unknown_host_name_is_refused_on_loopback(client: Client, path: str) -> None:
    for host in FOREIGN:
        response = await client.get(path, headers={"Host": host})
        body = await refused(response, 421, "misdirected")
        assert body["setting"] == "ALLOWED_HOSTS"


async def test_own_host_names_are_accepted_on_loopback(client: Client) -> None:
    for host in [*LOOPBACK, "192.0.2.7:8080"]:
        assert (await client.get("/operations", headers={"Host": host})).status == 200


async def test_dns_rebinding_post_uploads_nothing(client: Client) -> None:
    for path in ("/blur", "/subscribe", "/groups"):
        response = await client.post(path, data=b"x", headers={"Host": "evil.example"})
        await refused(response, 421, "misdirected")


async def test_health_probes_may_use_any_host_name(start_client: StartClient) -> None:
    client = await start_client(allowed_hosts="pictures.example.org")
    for path, status in (("/healthz", 200), ("/readyz", 503)):
        for host in ("10.0.0.7:8080", "pod-1.internal"):
            assert (await client.get(path, headers={"Host": host})).status == status


async def test_only_listed_host_names_are_accepted(start_client: StartClient) -> None:
    listed = "Pictures.example.org, 192.0.2.7"
    client = await start_client(host="0.0.0.0", allowed_hosts=listed, allow_anonymous=True)
    for host in ("pictures.example.org", "PICTURES.example.org:443", "192.0.2.7:8080", *LOOPBACK):
        assert (await client.get("/", headers={"Host": host})).status == 200
    for host in ("example.org", "x.pictures.example.org", "192.0.2.8", *FOREIGN):
        assert (await client.get("/", headers={"Host": host})).status == 421


@pytest.mark.parametrize(
    ("update", "host", "allowed"),
    [
        ({}, "evil.example", False),
        ({}, "", True),  # HTTP 1.0; browsers always send a Host header
        ({"public_url": "https://pictures.example.org"}, "pictures.example.org", True),
        ({"public_url": "https://pictures.example.org"}, "evil.example", False),
        ({"public_url": "https://pictures.example.org", "proxies": 1}, "evil.example", False),
        ({"proxies": 1}, "pictures.example.org", True),
        ({"host": "0.0.0.0"}, "evil.example", True),
        ({"host": "::"}, "evil.example", True),
        ({"host": "0.0.0.0", "allowed_hosts": "a.example"}, "", False),
        ({"host": "::1"}, "evil.example", False),
        ({"host": "0.0.0.0", "allowed_hosts": "::1,2001:db8::7"}, "2001:db8::7", True),
    ],
)
def test_allowed_host_names(update: dict[str, Any], host: str, allowed: bool) -> None:
    assert is_allowed_host(host, Settings().replace(**update)) is allowed


@pytest.mark.parametrize("name", ["*", "*.example.org", "http://a", "a:80", "a b", "-a", "a/b"])
def test_allowed_hosts_rejects_invalid_names(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        Settings().replace(allowed_hosts=f"a.example,{name}")
