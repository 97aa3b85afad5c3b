"""The sender loop: claims webhooks that are due and delivers them, several at a time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Any

import structlog

from models.errors import StoreUnavailable
from models.outbox.webhook import WebhookEvent
from models.outbox.webhook_signature import signing_secrets
from models.outbox.webhook_url import AddressPolicy
from models.settings import Settings
from models.slots import Slots
from workers.context import WorkerContext
from workers.outbox import await_with_grace
from workers.webhooks.client import WebhookClient
from workers.webhooks.delivery import WebhookContext, deliver_webhook

log = structlog.get_logger()

_RECHECK_SECONDS = 10.0  # a webhook waits before a sender checks itself whether its task has ended
# A host gets an eighth of WEBHOOK_CONCURRENCY, a client half: slow receivers do not delay others.
_SHARES = {"host": 8, "client": 2}
_SHUTDOWN_GRACE_SECONDS = 5.0  # for the calls in progress


class RunningDeliveries:
    """Counts deliveries in progress by host and client; ``last_client``: whose came last."""

    def __init__(self, settings: Settings) -> None:
        self._slots = {
            name: Slots(("WEBHOOK_CONCURRENCY", max(1, settings.webhook_concurrency // share)))
            for name, share in _SHARES.items()
        }
        self.last_client = ""

    def add(self, webhook: WebhookEvent) -> None:
        for name, slots in self._slots.items():
            slots.take(getattr(webhook, name))
        self.last_client = webhook.client

    def remove(self, webhook: WebhookEvent) -> None:
        for name, slots in self._slots.items():
            slots.free(getattr(webhook, name))

    @property
    def clients(self) -> list[str]:
        """Clients with a delivery in progress."""
        return self._slots["client"].clients

    @property
    def exclusions(self) -> dict[str, Any]:
        """The MongoDB condition that leaves out hosts and clients at their limit."""
        full = {name: slots.full_clients for name, slots in self._slots.items()}
        return {name: {"$nin": values} for name, values in full.items() if values}


async def send_webhooks(worker: WorkerContext) -> None:
    """Send what is due until cancelled; any number of workers may do so at once."""
    settings = worker.settings
    if not settings.webhooks:
        return
    signing = signing_secrets(settings, await worker.store.secret_key.get())
    policy = AddressPolicy(settings)
    client = await WebhookClient.open(settings, policy)
    context = WebhookContext(worker, client, policy, signing)
    running = RunningDeliveries(settings)
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            webhook = None
            if len(tasks) < settings.webhook_concurrency:
                webhook = await _claim(worker, running)
            if webhook is None:
                await _wait(worker, tasks)
                continue
            running.add(webhook)
            task = asyncio.create_task(_deliver(context, webhook, running))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def check_pending(worker: WorkerContext) -> None:
    """Find webhooks whose tasks ended without a notification, until cancelled."""
    while worker.settings.webhooks:
        try:
            if await worker.store.pending_webhooks.poll(_RECHECK_SECONDS):
                worker.webhook_due.set()
        except StoreUnavailable as error:
            log.warning("pending_webhooks_store_unavailable", **error.document())
        except Exception:
            log.exception("pending_webhooks_check_failed")
        await asyncio.sleep(worker.settings.sweep_interval_seconds)


async def task_ended(worker: WorkerContext, task_id: str) -> None:
    """Make due the webhooks that wait for this task. No retry: ``check_pending`` finds the rest."""
    if not worker.settings.webhooks:
        return
    with contextlib.suppress(StoreUnavailable):
        if await worker.store.pending_webhooks.release(task_id):
            worker.webhook_due.set()


async def _claim(worker: WorkerContext, running: RunningDeliveries) -> WebhookEvent | None:
    """Claim a webhook, round-robin over clients without a delivery in progress; else the oldest.

    By age alone, a few clients with many slow receivers would take every slot, since their backlog
    is always older.
    """
    token, seconds = secrets.token_hex(8), worker.settings.lease_seconds
    webhooks, exclusions, webhook = worker.store.webhooks, running.exclusions, None
    try:
        client = await webhooks.next_client(running.last_client, running.clients, exclusions)
        if client is not None:
            webhook = await webhooks.claim(token, seconds, {**exclusions, "client": client})
        return webhook or await webhooks.claim(token, seconds, exclusions)
    except StoreUnavailable as error:
        log.warning("webhook_sender_store_unavailable", **error.document())
    except Exception:
        log.exception("webhook_claim_failed")
    return None


async def _wait(worker: WorkerContext, tasks: set[asyncio.Task[None]]) -> None:
    """Return when a webhook may be due or a delivery has ended."""
    due = asyncio.create_task(worker.webhook_due.wait())
    try:
        await asyncio.wait(
            {due, *tasks},
            timeout=worker.settings.sweep_interval_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        due.cancel()
    worker.webhook_due.clear()


async def _deliver(
    context: WebhookContext, webhook: WebhookEvent, running: RunningDeliveries
) -> None:
    try:
        working = asyncio.create_task(deliver_webhook(context, webhook))
        await await_with_grace(working, _SHUTDOWN_GRACE_SECONDS)
    except StoreUnavailable as error:
        log.warning("webhook_delivery_store_unavailable", webhook=webhook.id, **error.document())
    except Exception:
        log.exception("webhook_delivery_failed", webhook=webhook.id)
    finally:
        running.remove(webhook)
