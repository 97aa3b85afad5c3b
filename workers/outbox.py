"""One parcel in a sender's hands: sent, and its end recorded by whoever still holds it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic

import structlog

from models.errors import StoreUnavailable
from models.store.outbox.outbox import Outbox, P
from workers.store_retry import patient

log = structlog.get_logger()

LONGEST_PAUSE = 3600.0
"""Seconds between two tries."""


class NotYet(Exception):
    """What the parcel is about is not there yet; to be looked at again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"look again in {seconds:g} s")
        self.seconds = seconds


class Pointless(Exception):
    """The parcel has lost its point, so it is not sent."""


class Trouble(Exception):
    """The parcel could not be handed over now; not again before ``pause`` seconds."""

    def __init__(self, said: str, pause: float = 0) -> None:
        super().__init__(said)
        self.pause = pause


class Refused(Exception):
    """The parcel will never be taken."""


class Lost(Exception):
    """Another sender has the parcel, or has sent it."""


@dataclass(frozen=True)
class Rules:
    """How long a sender tries: seconds, but for ``attempts``. ``settings`` begin the names of both.

    ``lease``: until a silent sender loses it; ``keep``: an ended one is remembered; ``retry``:
    before the second try; ``give_up``: of trouble, until it fails.
    """

    settings: str
    lease: float
    keep: float
    retry: float
    give_up: float
    attempts: int


@dataclass
class Hand(Generic[P]):
    """A claimed parcel, which the log calls ``what``; ``posted`` once its receiver has taken it.

    ``masked`` takes out of an error what must not be logged.
    """

    outbox: Outbox[P]
    parcel: P
    rules: Rules
    what: str
    about: dict[str, Any] = field(default_factory=dict)
    masked: Callable[[str], str] = str
    posted: bool = False

    @property
    def says(self) -> Any:
        """The logger that knows what it is about."""
        known = {self.what: self.parcel.id, "attempt": self.parcel.attempts}
        return log.bind(**known, **self.about)

    def said(self, error: Exception) -> str:
        return self.masked(str(error))


async def deliver(hand: Hand[P], send: Callable[[], Awaitable[None]]) -> None:
    """Send a claimed parcel and record how it ended, unless its lease is lost on the way.

    ``send`` makes it, begins with it (``Outbox.begin``) and hands it over; it raises NotYet,
    Pointless, Trouble, Refused or Lost.

    Raises:
        StoreUnavailable: MongoDB was away for longer than patience lasts.
    """
    working = asyncio.create_task(_work(hand, send))
    beating = asyncio.create_task(_hold(hand))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not hand.posted:
            hand.says.warning(f"{hand.what}_lost")
            working.cancel()  # another sender has it: two must not post it
        await asyncio.wait({working})
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        if working.cancelled():
            await _give_back(hand)
    if not working.cancelled():
        working.result()


async def begin(hand: Hand[P]) -> None:
    """Begin with what may kill the worker.

    Raises:
        Lost: another has it, or has sent it.
    """
    if not await patient(hand.outbox.begin)(hand.parcel):
        raise Lost


async def finish(working: asyncio.Task[None], seconds: float) -> None:
    """Await a delivery; when cancelled, give it ``seconds`` more and then end it.

    What a receiver is just taking in is not asked of it twice.
    """
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working}, timeout=seconds)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise


async def _hold(hand: Hand[P]) -> None:
    """Extend the lease as long as the parcel is being worked at; return when it is lost."""
    seconds = hand.rules.lease
    held = True
    while held:
        await asyncio.sleep(seconds / 3)
        with contextlib.suppress(StoreUnavailable):
            held = await hand.outbox.extend(hand.parcel, seconds)


async def _give_back(hand: Hand[P]) -> None:
    """Hand over what was interrupted. Not patient: whoever stops must not wait for a store."""
    with contextlib.suppress(StoreUnavailable):
        if hand.posted:
            await hand.outbox.sent(hand.parcel, hand.rules.keep)
        else:
            await hand.outbox.postpone(hand.parcel, 0)


async def _work(hand: Hand[P], send: Callable[[], Awaitable[None]]) -> None:
    """Make and send the parcel; never raises for the parcel's sake."""
    parcel, rules, outbox = hand.parcel, hand.rules, hand.outbox
    try:
        if parcel.faults >= rules.attempts:
            setting = f"{rules.settings}_ATTEMPTS"
            raise Pointless(f"its worker died or stumbled {parcel.faults} times ({setting})")
        await send()
        hand.posted = True
    except Lost:
        return
    except NotYet as wait:
        await patient(outbox.postpone)(parcel, wait.seconds)
    except (Pointless, Refused) as error:
        await patient(outbox.fail)(parcel, hand.said(error), rules.keep)
        hand.says.warning(f"{hand.what}_failed", error=hand.said(error))
    except Trouble as error:
        await _again(hand, hand.said(error), fault=False, pause=error.pause)
    except StoreUnavailable:
        await patient(outbox.postpone)(parcel, 0)  # else it waited for its lease to run out
    except Exception as error:
        hand.says.exception(f"{hand.what}_stumbled")
        await _again(hand, hand.said(error), fault=True)
    if hand.posted:
        await _record(hand)
        hand.says.info(f"{hand.what}_sent")


async def _record(hand: Hand[P]) -> None:
    """Note that it was sent, however long the store is away: else it went once more."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await patient(hand.outbox.sent)(hand.parcel, hand.rules.keep)
            return


async def _again(hand: Hand[P], error: str, *, fault: bool, pause: float = 0) -> None:
    """Give a parcel back to be tried later, or fail it when it is given up."""
    parcel, rules, outbox = hand.parcel, hand.rules, hand.outbox
    if parcel.trouble.total_seconds() > rules.give_up:
        said = f"{error} (given up, see {rules.settings}_GIVE_UP)"
        await patient(outbox.fail)(parcel, said, rules.keep)
        hand.says.warning(f"{hand.what}_failed", error=error, given_up_after=rules.give_up)
        return
    grown = min(rules.retry * 2.0 ** min(parcel.troubles, 30), LONGEST_PAUSE)
    grown *= random.uniform(0.8, 1.2)  # so that a receiver that is back is not met by all at once
    pause = max(grown, pause)
    await patient(outbox.retry)(parcel, pause, error, fault=fault)
    hand.says.warning(f"{hand.what}_waits", error=error, seconds=round(pause, 1))
