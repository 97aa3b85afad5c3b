"""Helpers for webhook tests: a real receiver, a real DNS server, senders in this process."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from models.outbox.webhook import WebhookEvent
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import free_port
from workers.context import WorkerContext
from workers.webhooks.sender import WebhookSender

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A receiver on loopback; ``responses`` are its next responses or handlers, then 200."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[tuple[Mapping[str, str], bytes]] = []
        self.paths: list[str] = []
        self.responses: list[web.StreamResponse | Handler] = []
        self.hold: asyncio.Event | None = None
        self.called = asyncio.Event()
        self.concurrent = self.max_concurrent = 0
        """Calls in progress, and their maximum so far."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.calls]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        try:
            body = await request.read()
            self.paths.append(request.path_qs)  # at once with its call: others may come meanwhile
            self.calls.append((request.headers.copy(), body))
            self.called.set()
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.concurrent -= 1
        response = self.responses.pop(0) if self.responses else web.Response(text="thanks")
        return await response(request) if callable(response) else response


@asynccontextmanager
async def run_receiver(
    *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, receiver.port, ssl_context=context).start()
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        await runner.cleanup()


def webhook_settings(settings: Settings, *receivers: Receiver, **more: Any) -> Settings:
    """Return settings that allow calls to receivers on loopback."""
    ports = ",".join(str(receiver.port) for receiver in receivers)
    chosen = {
        "webhook_ports": f"80,443,{ports}" if ports else "80,443",
        "webhook_allowed_networks": "127.0.0.0/8",
        "webhook_secret": SECRET,
        **more,
    }
    return settings.replace(**chosen)


class DnsServer(asyncio.DatagramProtocol):
    """A DNS server over UDP; ``answers`` maps a name to its addresses, one list for each query.

    The last list is for all later queries. A and AAAA queries are counted separately.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.silent: set[str] = set()
        self.queries: list[tuple[str, str]] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, sender: tuple[str | Any, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype
        self.queries.append((name, dns.rdatatype.to_text(kind)))
        if name in self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        wanted = kind == dns.rdatatype.AAAA
        lists = self.answers.get(name, [[]])
        number = sum(q == (name, dns.rdatatype.to_text(kind)) for q in self.queries) - 1
        found = [a for a in lists[min(number, len(lists) - 1)] if (":" in a) == wanted]
        if found:
            response.answer.append(
                dns.rrset.from_text(question.name, 0, "IN", dns.rdatatype.to_text(kind), *found)
            )
        assert self._transport is not None
        self._transport.sendto(response.to_wire(), sender)


@asynccontextmanager
async def run_dns_server() -> AsyncIterator[tuple[DnsServer, str]]:
    """Run the DNS server; yields it and the value for WEBHOOK_NAMESERVERS."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    try:
        yield names, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def worker_context(settings: Settings, store: Store, name: str = "press:1") -> WorkerContext:
    """Return what a sender needs of a worker, without queue and child processes."""
    nothing = cast(Any, None)
    return WorkerContext(
        name, settings, store, cast(Queue, nothing), nothing, nothing, Path(), nothing, nothing
    )


@asynccontextmanager
async def webhook_sender(
    settings: Settings, store: Store, worker: WorkerContext | None = None
) -> AsyncIterator[WebhookSender]:
    sender = await WebhookSender.open(worker or worker_context(settings, store))
    try:
        yield sender
    finally:
        await sender.close()


async def deliver_due(settings: Settings, store: Store) -> int:
    """Deliver all that is due now, by age; return how many webhooks were claimed."""
    count = 0
    async with webhook_sender(settings, store) as sender:
        while webhook := await store.webhooks.claim(
            secrets.token_hex(8), settings.worker.lease_seconds
        ):
            await sender.deliver(webhook)
            count += 1
    return count


async def all_webhooks(store: Store) -> list[WebhookEvent]:
    return list(reversed(await store.webhooks.newest(None, 1000)))


async def only_webhook(store: Store) -> WebhookEvent:
    (webhook,) = await all_webhooks(store)
    return webhook


async def update_webhooks(store: Store, change: dict[str, Any]) -> None:
    """Change the stored webhooks, e.g. their times."""
    await store.webhooks._collection.update_many({}, [{"$set": change}])


def outcomes(webhook: WebhookEvent) -> list[str]:
    return [attempt.outcome for attempt in webhook.log]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_receiver() as opened:
        yield opened


@pytest.fixture
async def names() -> AsyncIterator[tuple[DnsServer, str]]:
    async with run_dns_server() as opened:
        yield opened
