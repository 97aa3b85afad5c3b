"""What the tests of webhooks share: a real receiver, a real DNS server, and senders in place."""

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
from aiohttp import web

from models.outbox.webhook import Event
from models.outbox.webhook_signature import secrets_of
from models.outbox.webhook_url import AddressPolicy
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import free_port
from workers.context import Worker
from workers.webhooks.client import Caller
from workers.webhooks.delivery import Teller, tell

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A server on loopback that takes what is told; ``says`` are its next answers, then 200."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[tuple[Mapping[str, str], bytes]] = []
        self.paths: list[str] = []
        self.says: list[web.StreamResponse] = []
        self.hold: asyncio.Event | None = None
        self.came = asyncio.Event()
        self.now = self.most = 0
        """Calls that are being answered at this moment, and how many those were at most."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.calls]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path_qs)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            body = await request.read()
            self.calls.append((request.headers.copy(), body))
            self.came.set()
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.now -= 1
        return self.says.pop(0) if self.says else web.Response(text="thanks")


@asynccontextmanager
async def receiving(
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


def calling(settings: Settings, *receivers: Receiver, **more: Any) -> Settings:
    """Return settings by which receivers on loopback may be called."""
    ports = ",".join(str(receiver.port) for receiver in receivers)
    chosen = {
        "webhook_ports": f"80,443,{ports}" if ports else "80,443",
        "webhook_allowed": "127.0.0.0/8",
        "webhook_secret": SECRET,
        "webhook_retry": 1000,  # a test that wants it tried again makes it due
        **more,
    }
    return Settings(**{**settings.model_dump(), **chosen})


class Names(asyncio.DatagramProtocol):
    """A DNS server over UDP; ``answers`` maps a name to its addresses, one list for each question.

    The last list is for all questions after it. AAAA records are asked apart, and have their own.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, sender: tuple[str | Any, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype
        self.asked.append((name, dns.rdatatype.to_text(kind)))
        if name in self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        wanted = kind == dns.rdatatype.AAAA
        lists = self.answers.get(name, [[]])
        turn = sum(asked == (name, dns.rdatatype.to_text(kind)) for asked in self.asked) - 1
        found = [a for a in lists[min(turn, len(lists) - 1)] if (":" in a) == wanted]
        if found:
            response.answer.append(
                dns.rrset.from_text(question.name, 0, "IN", dns.rdatatype.to_text(kind), *found)
            )
        assert self._transport is not None
        self._transport.sendto(response.to_wire(), sender)


@asynccontextmanager
async def naming() -> AsyncIterator[tuple[Names, str]]:
    """Run the DNS server; gives it and what WEBHOOK_NAMESERVERS is to be."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    try:
        yield names, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def a_worker(settings: Settings, store: Store, name: str = "press:1") -> Worker:
    """What a sender needs of a worker; it does no pictures."""
    nothing = cast(Any, None)
    return Worker(name, settings, store, cast(Queue, nothing), nothing, nothing, Path(), nothing)


@asynccontextmanager
async def a_teller(settings: Settings, store: Store) -> AsyncIterator[Teller]:
    reach = AddressPolicy(settings)
    caller = await Caller.open(settings, reach)
    try:
        secret = secrets_of(settings, await store.secret.get())
        yield Teller(a_worker(settings, store), caller, reach, secret)
    finally:
        await caller.close()


async def tell_due(settings: Settings, store: Store) -> int:
    """Tell all that is due now; return how many events were taken up."""
    count = 0
    async with a_teller(settings, store) as teller:
        while event := await store.events.claim(secrets.token_hex(8), settings.lease_seconds):
            await tell(teller, event)
            count += 1
    return count


async def events(store: Store) -> list[Event]:
    return list(reversed(await store.events.newest(None, 1000)))


async def the_event(store: Store) -> Event:
    (event,) = await events(store)
    return event


async def change_events(store: Store, change: dict[str, Any]) -> None:
    """Have the time of events pass."""
    await store.events._parcels.update_many({}, [{"$set": change}])


def outcomes(event: Event) -> list[str]:
    return [each.outcome for each in event.log]
