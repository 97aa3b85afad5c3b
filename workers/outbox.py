"""Send the items of one outbox: claim what is due, send it, retry it or give up, record the end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic

import structlog

from models.errors import StoreUnavailable
from models.settings.worker import WorkerSettings
from models.store.outbox.outbox import Item, Outbox
from workers.store_retry import extend_until_lost, retry_store

log = structlog.get_logger()

MAX_RETRY_SECONDS = 3600.0
"""The longest pause between two attempts, even if the receiver asks for more."""
_POLL_SWEEPS = 15  # intervals of the sweep between two polls: the worker that sweeps sets ``due``
_MAX_CRASHES = 5  # attempts that end with a crash or an unexpected error: the item is to blame

_SHUTDOWN_GRACE_SECONDS = 5.0  # so that a receiver that is accepting an item does not get it twice


class NotReady(Exception):
    """The item cannot be made yet; look at it again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"look again in {seconds:g} s")
        self.seconds = seconds


class TemporaryFailure(Exception):
    """The receiver did not take the item now; wait at least ``retry_after`` seconds."""

    def __init__(self, detail: str, retry_after: float = 0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class PermanentFailure(Exception):
    """The item is never sent: its receiver will not take it, or it has lost its purpose."""


class LeaseLost(Exception):
    """Another sender holds the item, or has sent it."""


class Sender(ABC, Generic[Item]):
    """Sends what is due in one outbox, ``concurrency`` items at a time.

    Any number of workers may do so at once. ``kind`` begins its log events. ``due``, when set, ends
    the pause between two looks at an outbox in which nothing was due.
    """

    kind: ClassVar[str]
    retry_seconds: ClassVar[float]
    """The pause before the second attempt, which doubles with each further one."""
    give_up_seconds: ClassVar[float]
    """How long an item may keep failing."""

    def __init__(self, outbox: Outbox[Item], settings: WorkerSettings, *, concurrency: int) -> None:
        self.due = asyncio.Event()
        self._outbox = outbox
        self._lease_seconds = settings.lease_seconds
        self._poll_seconds = _POLL_SWEEPS * settings.sweep_interval_seconds
        self._concurrency = concurrency

    @abstractmethod
    async def send(self, item: Item) -> None:
        """Build the item, call ``begin``, and hand the item over.

        Raises:
            NotReady, TemporaryFailure, PermanentFailure, LeaseLost: it was not sent.
        """

    async def claim(self) -> Item | None:
        """Lease the item that is sent next; None if none is due."""
        return await self._outbox.claim(secrets.token_hex(8), self._lease_seconds)

    async def on_idle(self) -> None:
        """Release what is not needed while nothing is due and nothing is being sent."""

    async def close(self) -> None:
        """Release everything: the sender ends."""
        await self.on_idle()

    def log_fields(self, item: Item) -> dict[str, Any]:
        return {self.kind: item.id, "attempt": item.attempts}

    def error_text(self, item: Item, error: Exception) -> str:
        """Return the text of an error without what must not be logged."""
        return str(error)

    async def run(self) -> None:
        """Send what is due until cancelled."""
        sending: set[asyncio.Task[None]] = set()

        def end(task: asyncio.Task[None]) -> None:
            sending.discard(task)
            self.due.set()

        try:
            while True:
                self.due.clear()
                item = await self._claim_or_log() if len(sending) < self._concurrency else None
                if item is not None:
                    task = asyncio.create_task(self.deliver(item))
                    sending.add(task)
                    task.add_done_callback(end)
                    continue
                if not sending:
                    await self.on_idle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self.due.wait()
        finally:
            if sending:
                await asyncio.wait(sending, timeout=_SHUTDOWN_GRACE_SECONDS)
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            await self.close()

    async def _claim_or_log(self) -> Item | None:
        try:
            return await self.claim()
        except StoreUnavailable as error:
            log.warning(f"{self.kind}_sender_store_unavailable", **error.document())
        except Exception:
            log.exception(f"{self.kind}_claim_failed")
        return None

    async def deliver(self, item: Item) -> None:
        """Send a claimed item and record how it ended, unless its lease is lost on the way."""
        working = asyncio.create_task(self._attempt(item))
        seconds = self._lease_seconds
        extending = asyncio.create_task(
            extend_until_lost(lambda: self._outbox.extend(item, seconds), seconds)
        )
        try:
            await asyncio.wait({working, extending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and not item.delivered:
                self._logger(item).warning(f"{self.kind}_lease_lost")
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
                await self._release(item)
        if not working.cancelled() and (error := working.exception()) is not None:
            self._logger(item).error(f"{self.kind}_end_not_recorded", reason=repr(error))

    async def begin(self, item: Item) -> None:
        """Record that the risky part begins: if the sender dies from here on, it counts as a crash.

        Raises:
            LeaseLost: another sender holds the item, or has sent it.
        """
        if not await retry_store(self._outbox.begin)(item):
            raise LeaseLost

    def _logger(self, item: Item) -> Any:
        return log.bind(**self.log_fields(item))

    async def _release(self, item: Item) -> None:
        """Give back an interrupted item. Without retries: a shutdown must not wait for a store."""
        with contextlib.suppress(StoreUnavailable):
            if item.delivered:
                await self._outbox.mark_sent(item)
            else:
                await self._outbox.postpone(item, 0)

    async def _attempt(self, item: Item) -> None:
        """Build and send the item; raises StoreUnavailable if its end cannot be recorded."""
        outbox = self._outbox
        try:
            if item.faults >= _MAX_CRASHES:
                raise PermanentFailure(f"its worker crashed {item.faults} times")
            await self.send(item)
            item.delivered = True
        except LeaseLost:
            return
        except NotReady as wait:
            await retry_store(outbox.postpone)(item, wait.seconds)
        except PermanentFailure as error:
            await self._fail(item, self.error_text(item, error))
        except TemporaryFailure as error:
            text = self.error_text(item, error)
            await self._retry(item, text, fault=False, retry_after=error.retry_after)
        except StoreUnavailable:
            await retry_store(outbox.postpone)(item, 0)  # else it waits until its lease runs out
        except Exception as error:
            self._logger(item).exception(f"{self.kind}_crashed")
            await self._retry(item, self.error_text(item, error), fault=True)
        if item.delivered:
            await self._record_sent(item)
            self._logger(item).info(f"{self.kind}_sent")

    async def _record_sent(self, item: Item) -> None:
        """Record that the item was sent, however long the store is away: else it is sent again."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await retry_store(self._outbox.mark_sent)(item)
                return

    async def _fail(self, item: Item, error: str) -> None:
        await retry_store(self._outbox.fail)(item, error)
        self._logger(item).warning(f"{self.kind}_failed", error=error)

    async def _retry(self, item: Item, error: str, *, fault: bool, retry_after: float = 0) -> None:
        """Give an item back to be tried later, or fail it when its time is up."""
        if item.failing_for.total_seconds() > self.give_up_seconds:
            given_up = f"(given up after {self.give_up_seconds:g} s of failures)"
            await self._fail(item, f"{error} {given_up}")
            return
        pause = min(self.retry_seconds * 2.0 ** min(item.troubles, 30), MAX_RETRY_SECONDS)
        pause *= random.uniform(0.8, 1.2)  # jitter: a receiver that is back is not met by all
        pause = max(pause, min(retry_after, MAX_RETRY_SECONDS))
        await retry_store(self._outbox.retry)(item, pause, error, fault=fault)
        self._logger(item).warning(
            f"{self.kind}_retry_scheduled", error=error, seconds=round(pause, 1)
        )
