"""The load: lanes that each do one act after another, good and hostile ones side by side."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import aiohttp

from bench.soak import hostile_connections, hostile_requests, valid_requests
from bench.soak.client import Visitor
from bench.soak.darkroom import House
from bench.soak.records import Books

KINDS = {
    "good": valid_requests.ACTS,
    "hostile": hostile_requests.ACTS,
    "below HTTP": hostile_connections.ACTS,
}
_SHARE = {"good": 5, "hostile": 3, "below HTTP": 2}  # of ten acts
_LONGEST = aiohttp.ClientTimeout(total=120)
_IDLE = 2  # seconds: shorter than the service's KEEPALIVE_TIMEOUT, or requests would meet its close
_PROBE_PAUSE = 0.5


async def load(house: House, books: Books, seconds: float, lanes: int, seed: str) -> list[float]:
    """Load ``house`` for ``seconds`` with ``lanes`` at once.

    Returns how long /healthz took each time somebody else asked for it meanwhile, in seconds.
    """
    until = time.monotonic() + seconds
    first = [(kind, act) for kind, acts in KINDS.items() for act in acts]  # each is done at all
    kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE)
    fresh = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(connector=kept, timeout=_LONGEST) as keeping,
        aiohttp.ClientSession(connector=fresh, timeout=_LONGEST) as opening,
    ):

        async def lane(number: int) -> None:
            rng = random.Random(f"{seed}:{number}")
            visitor = Visitor(keeping, opening, house.url, house.port, books, rng)
            while first or time.monotonic() < until:
                kind, visitor.act = first.pop() if first else _drawn(rng)
                try:
                    await KINDS[kind][visitor.act][0](visitor)
                except OSError:  # the connection could not be made, or broke in a bare act
                    books.ended(visitor.act, "reset")

        probing = asyncio.create_task(_probe(house, books))
        await asyncio.gather(*(lane(number) for number in range(lanes)))
        probing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await probing
    return []


def _drawn(rng: random.Random) -> tuple[str, str]:
    (kind,) = rng.choices(list(_SHARE), list(_SHARE.values()))
    acts = KINDS[kind]
    (act,) = rng.choices(list(acts), [weight for _, weight in acts.values()])
    return kind, act


async def _probe(house: House, books: Books) -> list[float]:
    """Ask /healthz now and then, as whoever watches over it does, until cancelled."""
    took: list[float] = []
    async with aiohttp.ClientSession(timeout=_LONGEST) as session:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                began = time.perf_counter()
                try:
                    async with session.get(f"{house.url}/healthz") as response:
                        if response.status != 200:
                            books.fault(f"/healthz: {response.status}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    books.fault(f"/healthz: {error!r}")
                took.append(time.perf_counter() - began)
                await asyncio.sleep(_PROBE_PAUSE)
    return took
