"""Where no callback_url leads us: asked of a DNS server that lies, of servers that lead elsewhere.

Receivers on loopback stand for what is to be called only where WEBHOOK_ALLOWED has them; else they
stand for what must not be, and no byte may arrive there.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from aiohttp import web
from yarl import URL

from models.outbox.webhook_url import AddressPolicy
from models.settings import Settings
from tests.support.webhook_receiver import Names, Receiver, calling, naming, receiving
from workers.webhooks.client import Call, Caller

PLAIN = {"Content-Type": "application/json"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def names() -> AsyncIterator[tuple[Names, str]]:
    async with naming() as opened:
        yield opened


def outward(receiver: Receiver, server: str, **more: Any) -> Settings:
    """Return settings of a service that calls public addresses only, on the receiver's port."""
    return Settings(
        webhook_ports=f"{receiver.port}", webhook_nameservers=server, webhook_timeout=20, **more
    )


async def post(settings: Settings, url: str, caller: Caller | None = None) -> Call:
    caller = caller or await Caller.open(settings, AddressPolicy(settings))
    try:
        return await caller.post(URL(url), "{}", PLAIN)
    finally:
        await caller.close()


async def test_a_name_is_asked_once_and_what_was_judged_is_called(
    receiver: Receiver, names: tuple[Names, str]
) -> None:
    """Rebinding: the second answer would lead elsewhere, and nobody asks for it."""
    dns, server = names
    dns.answers["hook.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    settings = outward(receiver, server, webhook_allowed="127.0.0.1/32")
    call = await post(settings, f"http://hook.example:{receiver.port}/x?y=1")
    assert (call.outcome, call.status) == ("delivered", 200)
    assert sorted(dns.asked) == [("hook.example", "A"), ("hook.example", "AAAA")]
    ((headers, body),) = receiver.calls
    assert headers["Host"] == f"hook.example:{receiver.port}"
    assert (receiver.paths, body) == (["/x?y=1"], b"{}")


async def test_a_name_that_was_public_and_turns_inward_is_not_called(
    receiver: Receiver, names: tuple[Names, str]
) -> None:
    """Rebinding: judged public at the first call, loopback at the next."""
    dns, server = names
    dns.answers["hook.example"] = [["127.0.0.2"], ["127.0.0.1"]]
    settings = outward(receiver, server, webhook_allowed="127.0.0.2/32")
    caller = await Caller.open(settings, AddressPolicy(settings))
    try:
        url = URL(f"http://hook.example:{receiver.port}/")
        first = await caller.post(url, "{}", PLAIN)  # nobody listens at 127.0.0.2
        second = await caller.post(url, "{}", PLAIN)
    finally:
        await caller.close()
    assert (first.outcome, second.outcome) == ("connection", "refused_address")
    assert "127.0.0.1" in second.said
    assert receiver.calls == []


INWARD = (
    *("127.0.0.1", "169.254.169.254", "10.0.0.1", "100.100.100.200", "192.168.1.1", "0.0.0.0"),
    *("::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "fe80::1"),
)


@pytest.mark.parametrize("address", INWARD)
async def test_names_that_lead_inward_are_not_called(
    address: str, receiver: Receiver, names: tuple[Names, str]
) -> None:
    dns, server = names
    dns.answers["metadata.example"] = [[address]]
    call = await post(
        outward(receiver, server), f"http://metadata.example:{receiver.port}/latest/meta-data"
    )
    assert (call.outcome, call.status, receiver.calls) == ("refused_address", None, [])


async def test_of_mixed_addresses_none_is_called(
    receiver: Receiver, names: tuple[Names, str]
) -> None:
    """The one that is allowed comes first: a client that judged only what it uses would call it."""
    dns, server = names
    dns.answers["mixed.example"] = [["127.0.0.1", "10.0.0.1"]]
    dns.answers["six.example"] = [["127.0.0.1", "::1"]]
    settings = outward(receiver, server, webhook_allowed="127.0.0.1/32")
    for name in ("mixed.example", "six.example"):
        call = await post(settings, f"http://{name}:{receiver.port}/")
        assert call.outcome == "refused_address", name
    assert receiver.calls == []


async def test_the_socket_is_the_last_wall(receiver: Receiver, names: tuple[Names, str]) -> None:
    """Whatever found the address, a literal or a resolver that judges nothing: it is judged."""

    class Trusting(AddressPolicy):
        def refusal(self, given: str) -> str | None:
            return None

    dns, server = names
    dns.answers["hook.example"] = [["127.0.0.1"]]
    settings = outward(receiver, server)
    for url in (f"http://127.0.0.1:{receiver.port}/", f"http://hook.example:{receiver.port}/"):
        caller = await Caller.open(settings, Trusting(settings))
        caller._reach = AddressPolicy(settings)  # of the socket; the resolver has the trusting one
        call = await post(settings, url, caller)
        assert (call.outcome, receiver.calls) == ("refused_address", []), url


async def test_redirects_lead_nowhere(receiver: Receiver) -> None:
    async with receiving() as inner:
        settings = calling(Settings(), receiver, inner)
        for status in (301, 302, 303, 307, 308):
            receiver.says.append(web.Response(status=status, headers={"Location": inner.url}))
            call = await post(settings, receiver.url)
            assert (call.outcome, call.status) == ("redirect", status)
        assert inner.calls == []


async def test_neither_proxies_nor_cookies_nor_netrc(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    async with receiving() as proxy:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        cookie = web.Response()
        cookie.set_cookie("session", "1")
        receiver.says.append(cookie)
        settings = calling(Settings(), receiver)
        caller = await Caller.open(settings, AddressPolicy(settings))
        for _ in range(2):
            await caller.post(URL(receiver.url), "{}", PLAIN)
        await caller.close()
        assert (len(receiver.calls), proxy.calls) == (2, [])
        for headers, _ in receiver.calls:
            assert not {"Cookie", "Authorization"} & set(headers)


async def answered(answer: bytes, *, drip: bool = False, timeout: float = 30) -> Call:
    """Call a server that answers with these bytes, ``drip``: its first ones slowly, for ever."""

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
    settings = Settings(
        webhook_ports=str(port), webhook_allowed="127.0.0.0/8", webhook_timeout=timeout
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
async def test_answers_of_strangers(answer: bytes, outcome: str) -> None:
    assert (await answered(answer)).outcome == outcome


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b""])
async def test_an_answer_without_end_ends(answer: bytes) -> None:
    call = await answered(answer or b"\r\n", drip=True, timeout=0.5)
    assert call.outcome in {"timeout", "connection"}


async def test_a_name_nobody_answers_for_ends(receiver: Receiver, names: tuple[Names, str]) -> None:
    dns, server = names
    dns.silent.add("slow.example")
    settings = Settings(
        webhook_ports=f"{receiver.port}", webhook_nameservers=server, webhook_timeout=0.5
    )
    call = await post(settings, f"http://slow.example:{receiver.port}/")
    assert call.outcome in {"timeout", "dns"}
    call = await post(settings, f"http://nowhere.example:{receiver.port}/")
    assert call.outcome == "dns"
    dns.answers["many.example"] = [[f"8.8.{n}.8" for n in range(17)]]
    call = await post(settings, f"http://many.example:{receiver.port}/")
    assert call.outcome == "dns"  # a name of so many addresses is nobody's receiver


async def test_tls_is_by_name(names: tuple[Names, str], tmp_path: Any) -> None:
    dns, server = names
    dns.answers["hook.example"] = dns.answers["other.example"] = [["127.0.0.1"]]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hook.example").configure_cert(context)
    async with receiving(context=context) as receiver:
        common: dict[str, Any] = {"webhook_allowed": "127.0.0.0/8"}
        trusting = outward(receiver, server, webhook_ca_file=tmp_path / "ca.pem", **common)
        good = await post(trusting, f"https://hook.example:{receiver.port}/")
        other = await post(trusting, f"https://other.example:{receiver.port}/")
        strange = await post(
            outward(receiver, server, **common), f"https://hook.example:{receiver.port}/"
        )
        assert [each.outcome for each in (good, other, strange)] == ["delivered", "tls", "tls"]
        assert len(receiver.calls) == 1


async def test_the_default_resolver_reads_the_machine_s_own(receiver: Receiver) -> None:
    """Without WEBHOOK_NAMESERVERS it works, too, and localhost is asked of nobody."""
    call = await post(calling(Settings(), receiver), f"http://localhost:{receiver.port}/")
    assert call.outcome == "delivered"
    call = await post(outward(receiver, ""), f"http://localhost:{receiver.port}/")
    assert call.outcome == "refused_address"
