"""The load: concurrent lanes, valid and hostile ones; each performs one act after another."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bench.soak import hostile_connections, hostile_requests, valid_requests
from bench.soak.client import SoakClient
from bench.soak.darkroom import Darkroom
from bench.soak.records import Records

VALID = "good"
HOSTILE = {"hostile": 3, "below HTTP": 2}  # of five acts
KINDS = {
    VALID: valid_requests.ACTS,
    "hostile": hostile_requests.ACTS,
    "below HTTP": hostile_connections.ACTS,
}
_VALID_ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]
_HOSTILE_ADDRESSES = ["127.0.0.5", "127.0.0.6"]
_TIMEOUT = aiohttp.ClientTimeout(total=120)
_KEEPALIVE_SECONDS = 2  # below the service's KEEPALIVE_TIMEOUT: it must not close first
_PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class Loaded:
    """What a load was like for valid clients."""

    health: list[float]
    """The seconds that each request to /healthz took."""
    valid_acts: float
    """Finished by valid clients, a second."""


async def load(
    darkroom: Darkroom,
    records: Records,
    seconds: float,
    lanes: int,
    seed: str,
    least: int = 1,
    *,
    hostile: bool = True,
) -> Loaded:
    """Load ``darkroom`` for ``seconds``; each act at least ``least`` times.

    Half of the ``lanes`` are valid clients, from addresses of their own; ``hostile``: the others
    are hostile ones. Without them, valid clients do the same.
    """
    began = time.monotonic()
    until = began + seconds
    acts = {kind: list(KINDS[kind]) * least for kind in ([VALID, *HOSTILE] if hostile else [VALID])}
    finished = 0

    async def lane(number: int, kinds: dict[str, int], address: str) -> None:
        nonlocal finished
        rng = random.Random(f"{seed}:{number}")
        async with _client(darkroom, records, rng, address) as client:
            while any(acts[kind] for kind in kinds) or time.monotonic() < until:
                kind, client.act = _next_act(rng, kinds, acts)
                try:
                    await KINDS[kind][client.act][0](client)
                except OSError:  # the connection could not be made, or broke in a bare act
                    records.record_disconnect(client.act, "reset")
                finished += kind == VALID and time.monotonic() < until

    half = max(1, lanes // 2)
    probing = asyncio.create_task(_probe(darkroom, records))
    kinds_of = [({VALID: 1}, _VALID_ADDRESSES), *([(HOSTILE, _HOSTILE_ADDRESSES)] * hostile)]
    await asyncio.gather(
        *(
            lane(number, kinds, addresses[number % len(addresses)])
            for kinds, addresses in kinds_of
            for number in range(half)
        )
    )
    probing.cancel()
    return Loaded(await probing, finished / max(seconds, 1))


@asynccontextmanager
async def _client(
    darkroom: Darkroom, records: Records, rng: random.Random, address: str
) -> AsyncIterator[SoakClient]:
    """Give a client that connects from ``address``, of this machine."""
    source = (address, 0)
    kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, local_addr=source)
    fresh = aiohttp.TCPConnector(limit=0, force_close=True, local_addr=source)
    async with (
        aiohttp.ClientSession(connector=kept, timeout=_TIMEOUT) as keeping,
        aiohttp.ClientSession(connector=fresh, timeout=_TIMEOUT) as opening,
    ):
        yield SoakClient(keeping, opening, darkroom, records, rng, address)


def _next_act(
    rng: random.Random, kinds: dict[str, int], first: dict[str, list[str]]
) -> tuple[str, str]:
    """Return the kind and the name of an act: one of ``first``, else a random one."""
    for kind in kinds:
        if first[kind]:
            return kind, first[kind].pop()
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    acts = KINDS[kind]
    (act,) = rng.choices(list(acts), [weight for _, weight in acts.values()])
    return kind, act


async def _probe(darkroom: Darkroom, records: Records) -> list[float]:
    """Request /healthz now and then, as a monitor does, until cancelled."""
    took: list[float] = []
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                began = time.perf_counter()
                try:
                    async with session.get(f"{darkroom.url}/healthz") as response:
                        if response.status != 200:
                            records.fault(f"/healthz: {response.status}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    records.fault(f"/healthz: {error!r}")
                took.append(time.perf_counter() - began)
                await asyncio.sleep(_PROBE_SECONDS)
    return took
