"""The sender: takes events that are due out of the outbox, so many at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from typing import Any

import structlog

from models.errors import StoreUnavailable
from models.outbox.webhook import Event
from models.outbox.webhook_signature import secrets_of
from models.outbox.webhook_url import AddressPolicy
from workers.context import Worker
from workers.outbox import finish
from workers.webhooks.client import Caller
from workers.webhooks.delivery import Teller, tell

log = structlog.get_logger()

_LOOK = 10.0  # seconds an event waits before it is looked up whether its task has ended after all
_LAST = 5.0  # seconds a stopping sender gives the calls in its hands


class Busy:
    """How many deliveries of which hosts and clients are in hand, and whose was taken ``last``."""

    def __init__(self, per_host: int, per_party: int) -> None:
        self._limits = {"host": per_host, "client": per_party}
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in self._limits}
        self.last = ""

    def take(self, event: Event) -> None:
        for name, counts in self._counts.items():
            counts[getattr(event, name)] += 1
        self.last = event.client

    def leave(self, event: Event) -> None:
        for name, counts in self._counts.items():
            counts[getattr(event, name)] -= 1
            counts += Counter()  # forgets what is at nought

    @property
    def clients(self) -> list[str]:
        """Clients of whom anything is in hand."""
        return list(self._counts["client"])

    @property
    def but(self) -> dict[str, Any]:
        """The condition that leaves out hosts and clients with as many as they may have."""
        full = {
            name: [each for each, count in counts.items() if count >= self._limits[name]]
            for name, counts in self._counts.items()
        }
        return {name: {"$nin": names} for name, names in full.items() if names}


async def send(worker: Worker) -> None:
    """Send what is due until cancelled; any number of workers may do so at once."""
    settings = worker.settings
    if not settings.webhooks:
        return
    while True:
        try:
            secret = settings.secret_key.get_secret_value() or await worker.store.secret.get()
            break
        except StoreUnavailable as error:
            log.warning("webhooks_wait", **error.document())
            await asyncio.sleep(settings.sweep_seconds)
    reach = AddressPolicy(settings)
    caller = await Caller.open(settings, reach)
    teller = Teller(worker, caller, reach, secrets_of(settings, secret))
    busy = Busy(settings.webhook_per_host, settings.webhook_per_party)
    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            event = None
            if len(running) < settings.webhook_senders:
                event = await _claim(worker, busy)
            if event is None:
                await _wait(worker, running)
                continue
            busy.take(event)
            task = asyncio.create_task(_one(teller, event, busy))
            running.add(task)
            task.add_done_callback(running.discard)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await caller.close()


async def look(worker: Worker) -> None:
    """Find events whose tasks ended without anybody having said so, until cancelled."""
    while worker.settings.webhooks:
        try:
            if await worker.store.awaited.look(_LOOK):
                worker.due.set()
        except StoreUnavailable as error:
            log.warning("webhooks_unwatched", **error.document())
        except Exception:
            log.exception("webhooks_look_failed")
        await asyncio.sleep(worker.settings.sweep_seconds)


async def ended(worker: Worker, task_id: str) -> None:
    """Have told what waited for that task's end. Not patient: a look finds what this one missed."""
    if not worker.settings.webhooks:
        return
    with contextlib.suppress(StoreUnavailable):
        if await worker.store.awaited.settle(task_id):
            worker.due.set()


async def _claim(worker: Worker, busy: Busy) -> Event | None:
    """Take an event of a client without any in hand, by turns; else the one due longest.

    By age alone, a few clients with many slow receivers would fill every place, for what they left
    behind is always older.
    """
    token, seconds = secrets.token_hex(8), worker.settings.lease_seconds
    events, event = worker.store.events, None
    try:
        client = await events.whose_turn(busy.last, busy.clients, busy.but)
        if client is not None:
            event = await events.claim(token, seconds, {**busy.but, "client": client})
        return event or await events.claim(token, seconds, busy.but)
    except StoreUnavailable as error:
        log.warning("webhooks_wait", **error.document())
    except Exception:
        log.exception("webhooks_claim_failed")
    return None


async def _wait(worker: Worker, running: set[asyncio.Task[None]]) -> None:
    """Return when something may be due, or a place is free."""
    due = asyncio.create_task(worker.due.wait())
    try:
        await asyncio.wait(
            {due, *running},
            timeout=worker.settings.sweep_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        due.cancel()
    worker.due.clear()


async def _one(teller: Teller, event: Event, busy: Busy) -> None:
    try:
        await finish(asyncio.create_task(tell(teller, event)), _LAST)
    except StoreUnavailable as error:
        log.warning("webhook_left", event=event.id, **error.document())
    except Exception:
        log.exception("webhook_defect", event=event.id)
    finally:
        busy.leave(event)
