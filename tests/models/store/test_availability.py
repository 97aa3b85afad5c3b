"""A MongoDB that is away: calls fail at once, until it answers again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from models.errors import StoreUnavailable
from models.store.mongo import availability
from models.store.mongo.availability import Availability


class Server:
    """It answers pings, refuses them, or hangs."""

    def __init__(self, *answers: str) -> None:
        self.answers: Iterator[str] = iter(answers)
        self.pinged = asyncio.Event()

    async def ping(self) -> None:
        self.pinged.set()
        answer = next(self.answers, "hangs")
        if answer == "hangs":
            await asyncio.Event().wait()
        if answer == "refuses":
            raise availability.unavailable()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_SECONDS", "_PAUSE_SECONDS", "PING_SECONDS"):
        monkeypatch.setattr(availability, name, 0.01)


async def test_calls_fail_at_once_while_no_ping_is_answered() -> None:
    server = Server("hangs", "refuses", "hangs", "answers")
    watched, changes = Availability(server.ping), asyncio.Queue[bool]()
    watched.on_change = changes.put_nowait
    with pytest.raises(StoreUnavailable):  # this one as soon as it is known
        async with watched.call():
            await asyncio.Event().wait()
    assert watched.away
    with pytest.raises(StoreUnavailable):
        async with watched.call():
            raise AssertionError("it was let through")
    assert [await changes.get(), await changes.get()] == [True, False]
    async with watched.call():
        pass


async def test_one_lost_ping_is_no_outage() -> None:
    server = Server("hangs", "answers")
    watched = Availability(server.ping)
    watched.on_change = lambda _: pytest.fail("it was away")
    async with watched.call():
        await server.pinged.wait()
    check = watched._check
    assert check is not None
    await check


async def test_a_call_that_fails_alone_stops_no_others() -> None:
    """A write that waits for a majority in vain, on a primary that answers reads."""
    watched = Availability(Server("answers").ping)
    with pytest.raises(StoreUnavailable):
        async with watched.call():
            raise availability.unavailable()
    check = watched._check
    assert check is not None
    await check
    assert not watched.away
    async with watched.call():
        pass


async def test_a_timeout_of_the_caller_stays_one() -> None:
    watched = Availability(Server("answers").ping)
    with pytest.raises(TimeoutError):
        async with watched.call(), asyncio.timeout(0):
            await asyncio.Event().wait()
    watched.close()


async def test_a_call_that_was_cancelled_stays_cancelled() -> None:
    """Both at once: its request is gone, and MongoDB is away."""
    watched = Availability(Server().ping)
    began = asyncio.Event()

    async def call() -> None:
        async with watched.call():
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await began.wait()
    task.cancel()
    watched._set(away=True)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not watched._calls
    watched.close()
