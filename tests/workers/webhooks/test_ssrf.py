"""SSRF protection of webhooks: DNS rebinding, redirects, proxies and endless responses.

Receivers on loopback may be called only where WEBHOOK_ALLOWED_NETWORKS has them; elsewhere they are
the forbidden targets, and no byte may arrive there.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
import trustme
from aiohttp import web
from yarl import URL

from models.outbound.resolver import Resolver
from models.outbound.url import AddressPolicy
from models.settings import Settings
from tests.support.webhook_receiver import (
    DnsServer,
    Receiver,
    names,
    receiver,
    run_receiver,
    webhook_settings,
)
from workers.webhooks.client import CallResult, WebhookClient

__all__ = ["names", "receiver"]  # fixtures

pytestmark = pytest.mark.integration

PLAIN = {"Content-Type": "application/json"}


def public_only(receiver: Receiver, server: str, **more: Any) -> Settings:
    """Return settings that allow public addresses only, on the receiver's port."""
    return Settings().replace(
        webhook_ports=f"{receiver.port}", webhook_nameservers=server, webhook_timeout=20, **more
    )


async def post(settings: Settings, url: str, client: WebhookClient | None = None) -> CallResult:
    client = client or await WebhookClient.open(settings.webhook, AddressPolicy(settings.webhook))
    try:
        return await client.post(URL(url), "{}", PLAIN)
    finally:
        await client.close()


async def test_name_is_resolved_once_and_checked_address_is_called(
    receiver: Receiver, names: tuple[DnsServer, str]
) -> None:
    """DNS rebinding: the second DNS answer would lead elsewhere, and is never requested."""
    dns_server, server = names
    dns_server.answers["hook.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    settings = public_only(receiver, server, webhook_allowed_networks="127.0.0.1/32")
    call = await post(settings, f"http://hook.example:{receiver.port}/x?y=1")
    assert (call.outcome, call.status) == ("delivered", 200)
    assert sorted(dns_server.queries) == [("hook.example", "A"), ("hook.example", "AAAA")]
    ((headers, body),) = receiver.calls
    assert headers["Host"] == f"hook.example:{receiver.port}"
    assert (receiver.paths, body) == (["/x?y=1"], b"{}")


async def test_name_that_turns_private_is_not_called(
    receiver: Receiver, names: tuple[DnsServer, str]
) -> None:
    """DNS rebinding: allowed at the first call, loopback at the next."""
    dns_server, server = names
    dns_server.answers["hook.example"] = [["127.0.0.2"], ["127.0.0.1"]]
    settings = public_only(receiver, server, webhook_allowed_networks="127.0.0.2/32")
    client = await WebhookClient.open(settings.webhook, AddressPolicy(settings.webhook))
    try:
        url = URL(f"http://hook.example:{receiver.port}/")
        first = await client.post(url, "{}", PLAIN)  # nothing listens at 127.0.0.2
        second = await client.post(url, "{}", PLAIN)
    finally:
        await client.close()
    assert (first.outcome, second.outcome) == ("connection", "refused_address")
    assert "127.0.0.1" in second.detail
    assert receiver.calls == []


PRIVATE_ADDRESSES = (
    *("127.0.0.1", "169.254.169.254", "10.0.0.1", "100.100.100.200", "192.168.1.1", "0.0.0.0"),
    *("::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "fe80::1"),
)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
async def test_names_with_private_addresses_are_not_called(
    address: str, receiver: Receiver, names: tuple[DnsServer, str]
) -> None:
    dns_server, server = names
    dns_server.answers["metadata.example"] = [[address]]
    call = await post(
        public_only(receiver, server), f"http://metadata.example:{receiver.port}/latest/meta-data"
    )
    assert (call.outcome, call.status, receiver.calls) == ("refused_address", None, [])


async def test_no_address_of_a_mixed_name_is_called(
    receiver: Receiver, names: tuple[DnsServer, str]
) -> None:
    """The allowed address comes first: checking only the address in use would call it."""
    dns_server, server = names
    dns_server.answers["mixed.example"] = [["127.0.0.1", "10.0.0.1"]]
    dns_server.answers["six.example"] = [["127.0.0.1", "::1"]]
    settings = public_only(receiver, server, webhook_allowed_networks="127.0.0.1/32")
    for name in ("mixed.example", "six.example"):
        call = await post(settings, f"http://{name}:{receiver.port}/")
        assert call.outcome == "refused_address", name
    assert receiver.calls == []


async def test_socket_factory_checks_the_address(
    receiver: Receiver, names: tuple[DnsServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses are checked even if a literal, or a resolver without a policy, gave them."""

    class AllowAll(AddressPolicy):
        def refusal(self, given: str) -> str | None:
            return None

    dns_server, server = names
    dns_server.answers["hook.example"] = [["127.0.0.1"]]
    settings = public_only(receiver, server)
    monkeypatch.setattr(
        "models.outbound.session.Resolver",
        lambda settings, policy: Resolver(settings, AllowAll(settings)),
    )
    for url in (f"http://127.0.0.1:{receiver.port}/", f"http://hook.example:{receiver.port}/"):
        call = await post(settings, url)
        assert (call.outcome, receiver.calls) == ("refused_address", []), url


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async with run_receiver() as inner:
        settings = webhook_settings(Settings(), receiver, inner)
        for status in (301, 302, 303, 307, 308):
            receiver.responses.append(web.Response(status=status, headers={"Location": inner.url}))
            call = await post(settings, receiver.url)
            assert (call.outcome, call.status) == ("redirect", status)
        assert inner.calls == []


async def test_no_proxies_cookies_or_netrc(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    async with run_receiver() as proxy:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        cookie = web.Response()
        cookie.set_cookie("session", "1")
        receiver.responses.append(cookie)
        settings = webhook_settings(Settings(), receiver)
        client = await WebhookClient.open(settings.webhook, AddressPolicy(settings.webhook))
        for _ in range(2):
            await client.post(URL(receiver.url), "{}", PLAIN)
        await client.close()
        assert (len(receiver.calls), proxy.calls) == (2, [])
        for headers, _ in receiver.calls:
            assert not {"Cookie", "Authorization"} & set(headers)


async def call_server(answer: bytes, *, drip: bool = False, timeout: float = 30) -> CallResult:
    """Call a server that answers with these bytes; ``drip``: repeats them slowly forever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        try:
            while drip:
                writer.write(answer)
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Settings().replace(
        webhook_ports=str(port), webhook_allowed_networks="127.0.0.0/8", webhook_timeout=timeout
    )
    try:
        return await post(settings, f"http://127.0.0.1:{port}/")
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"", "connection"),
        (b"\x00\xff" * 500, "connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"a" * 5_000_000, "delivered"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + b"\x1f\x8b" * 100, "delivered"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "delivered"),
        (b"HTTP/1.1 500 No\r\n\r\n", "http_error"),
        (b"HTTP/1.1 410 Gone\r\n\r\n", "gone"),
    ],
)
async def test_hostile_responses(answer: bytes, outcome: str) -> None:
    assert (await call_server(answer)).outcome == outcome


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b""])
async def test_endless_response_ends(answer: bytes) -> None:
    call = await call_server(answer or b"\r\n", drip=True, timeout=0.5)
    assert call.outcome in {"timeout", "connection"}


async def test_silent_dns_server_ends(receiver: Receiver, names: tuple[DnsServer, str]) -> None:
    dns_server, server = names
    dns_server.silent.add("slow.example")
    settings = Settings().replace(
        webhook_ports=f"{receiver.port}", webhook_nameservers=server, webhook_timeout=0.5
    )
    call = await post(settings, f"http://slow.example:{receiver.port}/")
    assert call.outcome in {"timeout", "dns"}
    settings = public_only(receiver, server)  # these answer: what they take is not limited here
    call = await post(settings, f"http://nowhere.example:{receiver.port}/")
    assert call.outcome == "dns"
    dns_server.answers["many.example"] = [[f"8.8.{n}.8" for n in range(17)]]
    call = await post(settings, f"http://many.example:{receiver.port}/")
    assert call.outcome == "dns"  # too many addresses


async def test_tls_checks_the_host_name(names: tuple[DnsServer, str], tmp_path: Any) -> None:
    dns_server, server = names
    dns_server.answers["hook.example"] = dns_server.answers["other.example"] = [["127.0.0.1"]]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hook.example").configure_cert(context)
    async with run_receiver(context=context) as receiver:
        common: dict[str, Any] = {"webhook_allowed_networks": "127.0.0.0/8"}
        trusted = public_only(receiver, server, webhook_ca_file=tmp_path / "ca.pem", **common)
        good = await post(trusted, f"https://hook.example:{receiver.port}/")
        other = await post(trusted, f"https://other.example:{receiver.port}/")
        untrusted = await post(
            public_only(receiver, server, **common), f"https://hook.example:{receiver.port}/"
        )
        assert [each.outcome for each in (good, other, untrusted)] == ["delivered", "tls", "tls"]
        assert len(receiver.calls) == 1


async def test_system_nameservers_are_the_default(receiver: Receiver) -> None:
    """It works without WEBHOOK_NAMESERVERS, and localhost needs no DNS query."""
    call = await post(webhook_settings(Settings(), receiver), f"http://localhost:{receiver.port}/")
    assert call.outcome == "delivered"
    call = await post(public_only(receiver, ""), f"http://localhost:{receiver.port}/")
    assert call.outcome == "refused_address"
