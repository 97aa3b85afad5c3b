"""The load: concurrent lanes; each performs one act after another, valid and hostile ones mixed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import aiohttp

from bench.soak import hostile_connections, hostile_requests, valid_requests
from bench.soak.client import SoakClient
from bench.soak.darkroom import Darkroom
from bench.soak.records import Records

KINDS = {
    "good": valid_requests.ACTS,
    "hostile": hostile_requests.ACTS,
    "below HTTP": hostile_connections.ACTS,
}
_SHARE = {"good": 5, "hostile": 3, "below HTTP": 2}  # of ten acts
_TIMEOUT = aiohttp.ClientTimeout(total=120)
_KEEPALIVE_SECONDS = 2  # below the service's KEEPALIVE_TIMEOUT: it must not close first
_PROBE_SECONDS = 0.5


async def load(
    darkroom: Darkroom, records: Records, seconds: float, lanes: int, seed: str, least: int = 1
) -> list[float]:
    """Load ``darkroom`` for ``seconds`` with ``lanes`` at once; each act at least ``least`` times.

    Returns the seconds that each request to /healthz took meanwhile.
    """
    until = time.monotonic() + seconds
    first = [(kind, act) for kind, acts in KINDS.items() for act in acts] * least
    kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
    fresh = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(connector=kept, timeout=_TIMEOUT) as keeping,
        aiohttp.ClientSession(connector=fresh, timeout=_TIMEOUT) as opening,
    ):

        async def lane(number: int) -> None:
            rng = random.Random(f"{seed}:{number}")
            client = SoakClient(keeping, opening, darkroom.url, darkroom.port, records, rng)
            while first or time.monotonic() < until:
                kind, client.act = first.pop() if first else _draw_act(rng)
                try:
                    await KINDS[kind][client.act][0](client)
                except OSError:  # the connection could not be made, or broke in a bare act
                    records.record_disconnect(client.act, "reset")

        probing = asyncio.create_task(_probe(darkroom, records))
        await asyncio.gather(*(lane(number) for number in range(lanes)))
        probing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await probing
    return []


def _draw_act(rng: random.Random) -> tuple[str, str]:
    (kind,) = rng.choices(list(_SHARE), list(_SHARE.values()))
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
