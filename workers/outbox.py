"""Deliver one outbox item under a lease: send it, retry it or give up, and record how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic

import structlog

from models.errors import StoreUnavailable
from models.store.outbox.outbox import Item, Outbox
from workers.store_retry import extend_until_lost, retry_store

log = structlog.get_logger()

MAX_RETRY_SECONDS = 3600.0
"""The longest pause between two attempts, even if the receiver asks for more."""
_MAX_CRASHES = 5  # attempts that end with a crash or an unexpected error: the item is to blame


class NotReady(Exception):
    """The item cannot be made yet; look at it again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"look again in {seconds:g} s")
        self.seconds = seconds


class Obsolete(Exception):
    """The item has lost its purpose and is not sent."""


class TemporaryFailure(Exception):
    """The receiver did not take the item now; wait at least ``retry_after`` seconds."""

    def __init__(self, detail: str, retry_after: float = 0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class PermanentFailure(Exception):
    """The receiver will never take the item."""


class LeaseLost(Exception):
    """Another sender holds the item, or has sent it."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long an item is tried.

    ``lease_seconds``: until a silent sender loses the item; ``keep_seconds``: how long an ended
    item is kept; ``retry_seconds``: the pause before the second attempt, which doubles;
    ``give_up_seconds``: how long an item may keep failing.
    """

    lease_seconds: float
    keep_seconds: float
    retry_seconds: float
    give_up_seconds: float


@dataclass
class Delivery(Generic[Item]):
    """A claimed item. ``kind`` begins its log events; ``delivered`` once its receiver has taken it.

    ``mask`` removes from an error text what must not be logged.
    """

    outbox: Outbox[Item]
    item: Item
    policy: RetryPolicy
    kind: str
    log_fields: dict[str, Any] = field(default_factory=dict)
    mask: Callable[[str], str] = str
    delivered: bool = False

    @property
    def logger(self) -> Any:
        """The logger with this item's fields bound."""
        known = {self.kind: self.item.id, "attempt": self.item.attempts}
        return log.bind(**known, **self.log_fields)

    def error_text(self, error: Exception) -> str:
        return self.mask(str(error))


async def deliver(delivery: Delivery[Item], send: Callable[[], Awaitable[None]]) -> None:
    """Send a claimed item and record how it ended, unless its lease is lost on the way.

    ``send`` builds the item, calls ``mark_begun`` and hands the item over. It raises NotReady,
    Obsolete, TemporaryFailure, PermanentFailure or LeaseLost.

    Raises:
        StoreUnavailable: MongoDB was away for longer than ``retry_store`` waits.
    """
    working = asyncio.create_task(_attempt(delivery, send))
    seconds = delivery.policy.lease_seconds
    extending = asyncio.create_task(
        extend_until_lost(lambda: delivery.outbox.extend(delivery.item, seconds), seconds)
    )
    try:
        await asyncio.wait({working, extending}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not delivery.delivered:
            delivery.logger.warning(f"{delivery.kind}_lease_lost")
            working.cancel()  # another sender has it: two must not send it
        await asyncio.wait({working})
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise
    finally:
        extending.cancel()
        await asyncio.gather(extending, return_exceptions=True)
        if working.cancelled():
            await _release(delivery)
    if not working.cancelled():
        working.result()


async def mark_begun(delivery: Delivery[Item]) -> None:
    """Record that the risky part begins: if the sender dies from here on, it counts as a crash.

    Raises:
        LeaseLost: another sender holds the item, or has sent it.
    """
    if not await retry_store(delivery.outbox.begin)(delivery.item):
        raise LeaseLost


async def await_with_grace(working: asyncio.Task[None], seconds: float) -> None:
    """Await a delivery; when cancelled, give it ``seconds`` more before it is cancelled too.

    So a receiver that is just accepting an item does not get it twice.
    """
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working}, timeout=seconds)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise


async def _release(delivery: Delivery[Item]) -> None:
    """Give back an interrupted item. Without retries: a shutdown must not wait for a store."""
    with contextlib.suppress(StoreUnavailable):
        if delivery.delivered:
            await delivery.outbox.mark_sent(delivery.item, delivery.policy.keep_seconds)
        else:
            await delivery.outbox.postpone(delivery.item, 0)


async def _attempt(delivery: Delivery[Item], send: Callable[[], Awaitable[None]]) -> None:
    """Build and send the item; raises only StoreUnavailable."""
    item, policy, outbox = delivery.item, delivery.policy, delivery.outbox
    try:
        if item.faults >= _MAX_CRASHES:
            raise Obsolete(f"its worker crashed {item.faults} times")
        await send()
        delivery.delivered = True
    except LeaseLost:
        return
    except NotReady as wait:
        await retry_store(outbox.postpone)(item, wait.seconds)
    except (Obsolete, PermanentFailure) as error:
        text = delivery.error_text(error)
        await retry_store(outbox.fail)(item, text, policy.keep_seconds)
        delivery.logger.warning(f"{delivery.kind}_failed", error=text)
    except TemporaryFailure as error:
        text = delivery.error_text(error)
        await _retry(delivery, text, fault=False, retry_after=error.retry_after)
    except StoreUnavailable:
        await retry_store(outbox.postpone)(item, 0)  # else it waits until its lease runs out
    except Exception as error:
        delivery.logger.exception(f"{delivery.kind}_crashed")
        await _retry(delivery, delivery.error_text(error), fault=True)
    if delivery.delivered:
        await _record_sent(delivery)
        delivery.logger.info(f"{delivery.kind}_sent")


async def _record_sent(delivery: Delivery[Item]) -> None:
    """Record that the item was sent, however long the store is away: else it is sent again."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await retry_store(delivery.outbox.mark_sent)(
                delivery.item, delivery.policy.keep_seconds
            )
            return


async def _retry(
    delivery: Delivery[Item], error: str, *, fault: bool, retry_after: float = 0
) -> None:
    """Give an item back to be tried later, or fail it when its time is up."""
    item, policy, outbox = delivery.item, delivery.policy, delivery.outbox
    if item.failing_for.total_seconds() > policy.give_up_seconds:
        text = f"{error} (given up after {policy.give_up_seconds:g} s of failures)"
        await retry_store(outbox.fail)(item, text, policy.keep_seconds)
        seconds = policy.give_up_seconds
        delivery.logger.warning(f"{delivery.kind}_failed", error=error, given_up_after=seconds)
        return
    pause = min(policy.retry_seconds * 2.0 ** min(item.troubles, 30), MAX_RETRY_SECONDS)
    pause *= random.uniform(0.8, 1.2)  # jitter: a receiver that is back is not met by all at once
    pause = max(pause, min(retry_after, MAX_RETRY_SECONDS))
    await retry_store(outbox.retry)(item, pause, error, fault=fault)
    delivery.logger.warning(
        f"{delivery.kind}_retry_scheduled", error=error, seconds=round(pause, 1)
    )
