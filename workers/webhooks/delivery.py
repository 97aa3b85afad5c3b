"""One event in a sender's hands: written, signed, told, and what came of it noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from models.errors import BadCallback
from models.metrics.definitions import WEBHOOK_TIMES, WEBHOOKS
from models.outbox.webhook import Attempt, Event
from models.outbox.webhook_signature import Secrets, headers
from models.outbox.webhook_url import AddressPolicy, callback
from models.settings import Settings
from workers.context import Worker
from workers.outbox import Hand, Lost, Refused, Rules, Trouble, begin, deliver
from workers.store_retry import patient
from workers.webhooks.client import Call, Caller
from workers.webhooks.payload import write

_FINAL = frozenset({"gone", "refused_address", "bad_callback"})
"""Outcomes after which nothing is tried again: the receiver said so, or it is not to be called."""


@dataclass(frozen=True)
class Teller:
    """What deliveries of one worker share."""

    worker: Worker
    caller: Caller
    reach: AddressPolicy
    secrets: Secrets


async def tell(teller: Teller, event: Event) -> None:
    """Deliver a claimed event and record how it ended, unless its lease is lost on the way.

    Raises:
        StoreUnavailable: MongoDB was away for longer than patience lasts.
    """
    store, settings = teller.worker.store, teller.worker.settings

    async def send() -> None:
        body = event.body
        if body is None:
            content = await write(store, event)
            body = content.body
            if not await patient(store.events.make)(event, content.kind, body, content.at):
                raise Lost
        secrets = await _secrets(teller, event)
        await begin(hand)
        call = await _call(teller, event, body, secrets)
        instruments = teller.worker.instruments
        instruments.count(WEBHOOKS, call.outcome)
        instruments.observe(WEBHOOK_TIMES, call.ms / 1000)
        event.made = Attempt(
            at=datetime.now(UTC),
            ms=call.ms,
            outcome=call.outcome,
            status=call.status,
            worker=teller.worker.name,
        )
        if call.outcome in _FINAL:
            raise Refused(call.said)
        if call.outcome != "delivered":
            raise Trouble(call.said, min(call.retry_after, settings.webhook_retry_after))

    about = {"about": event.about, "subject": event.subject, "host": event.host}
    hand = Hand(store.events, event, rules(settings), "webhook", about)
    await deliver(hand, send)


async def _secrets(teller: Teller, event: Event) -> list[str]:
    """Return what signs the event as its key stands now: one that was rotated has another."""
    key = await teller.worker.store.keys.get(event.owner) if event.owner else None
    return teller.secrets.of(event.owner, key.made if key else 0)


async def _call(teller: Teller, event: Event, body: str, secrets: list[str]) -> Call:
    try:
        url = callback(event.url, teller.reach)  # again: settings may have changed since it came
    except BadCallback as error:
        return Call.refused(error.detail)
    now = datetime.now(UTC)
    signed = headers(secrets, event.id, body, now)
    return await teller.caller.post(
        url, body, {**signed, "Content-Type": "application/json", "User-Agent": "Darkroom"}
    )


def rules(settings: Settings) -> Rules:
    """Return how long events are tried."""
    return Rules(
        "WEBHOOK",
        lease=settings.lease_seconds,
        keep=settings.webhook_keep,
        retry=settings.webhook_retry,
        give_up=settings.webhook_give_up,
        attempts=settings.webhook_attempts,
    )
