"""Deliver the webhooks of the outbox: build the payload, sign it, call the receiver, log it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from models.errors import BadCallbackUrl
from models.images.inspect import MEDIA_TYPES
from models.metrics.definitions import WEBHOOK_CALLS, WEBHOOK_DURATION
from models.outbound.url import AddressPolicy, parse_callback_url, parse_deliver_url
from models.outbox.webhook import WebhookAttempt, WebhookEvent
from models.outbox.webhook_signature import SigningSecrets, signature_headers, signing_secrets
from models.slots import Slots
from workers.context import WorkerContext
from workers.outbox import LeaseLost, PermanentFailure, Sender, TemporaryFailure
from workers.store_retry import retry_store
from workers.webhooks.client import CallResult, WebhookClient
from workers.webhooks.payload import build_payload

_FINAL_OUTCOMES = frozenset({"gone", "refused_address", "bad_callback"})
"""Not retried: the receiver answered 410, or it may not be called."""
_TRY_AGAIN = frozenset({408, 409, 423, 425, 429})
"""Statuses below 500 of a deliver_url after which it is tried again."""
# A host gets an eighth of WEBHOOK_CONCURRENCY, a client half: slow receivers do not delay others.
_SHARES = {"host": 8, "client": 2}
RELEASE_SECONDS = 0.1  # between two looks for the webhooks of ended tasks
_RECHECK_SECONDS = 10.0  # a webhook waits before a sender checks itself whether its task has ended


async def send_webhooks(worker: WorkerContext) -> None:
    """Send what is due until cancelled."""
    if worker.settings.webhook.webhooks:
        await (await WebhookSender.open(worker)).run()


class WebhookSender(Sender[WebhookEvent]):
    """Calls receivers, with limits for each host and each client."""

    kind = "webhook"
    retry_seconds = 10.0  # a receiver that restarts is back by then
    give_up_seconds = 24 * 3600.0  # a receiver that fails for a day is not coming back by itself

    def __init__(
        self,
        worker: WorkerContext,
        client: WebhookClient,
        addresses: AddressPolicy,
        signing: SigningSecrets,
    ) -> None:
        settings = worker.settings.webhook
        super().__init__(
            worker.store.webhooks,
            worker.settings.worker,
            concurrency=settings.webhook_concurrency,
        )
        self.due = worker.webhook_due
        self._worker = worker
        self._client = client
        self._addresses = addresses
        self._signing = signing
        self._running = {
            name: Slots(("WEBHOOK_CONCURRENCY", max(1, settings.webhook_concurrency // share)))
            for name, share in _SHARES.items()
        }
        self._last_client = ""
        self._next_check = 0.0

    @classmethod
    async def open(cls, worker: WorkerContext) -> Self:
        signing = signing_secrets(worker.settings.webhook, await worker.store.secret_key.get())
        addresses = AddressPolicy(worker.settings.webhook)
        client = await WebhookClient.open(worker.settings.webhook, addresses)
        return cls(worker, client, addresses, signing)

    async def close(self) -> None:
        await self._client.close()

    async def claim(self) -> WebhookEvent | None:
        """Lease one, round-robin over clients without a delivery in progress; else the oldest.

        By age alone, a few clients with many slow receivers would take every slot, since their
        backlog is always older. Hosts and clients at their limit are left out.
        """
        await self._check_pending()
        token, seconds = secrets.token_hex(8), self._lease_seconds
        webhooks, busy = self._worker.store.webhooks, self._running["client"].clients
        full = {name: slots.full_clients for name, slots in self._running.items()}
        conditions: dict[str, Any] = {k: {"$nin": values} for k, values in full.items() if values}
        client, webhook = None, None
        if busy or self._last_client:  # else nothing was due before: one query is enough
            client = await webhooks.next_client(self._last_client, busy, conditions)
        if client is not None:
            webhook = await webhooks.claim(token, seconds, {**conditions, "client": client})
        webhook = webhook or await webhooks.claim(token, seconds, conditions)
        self._last_client = webhook.client if webhook else ""
        if webhook is not None:
            for name, slots in self._running.items():
                slots.take(getattr(webhook, name))
        return webhook

    async def _check_pending(self) -> None:
        """Make due what ``release_webhooks`` did not: the worker died, or MongoDB was away."""
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + _RECHECK_SECONDS
            await self._worker.store.pending_webhooks.poll(_RECHECK_SECONDS)

    async def deliver(self, item: WebhookEvent) -> None:
        try:
            await super().deliver(item)
        finally:
            for name, slots in self._running.items():
                slots.free(getattr(item, name))

    async def send(self, item: WebhookEvent) -> None:
        worker = self._worker
        if item.body is None:
            kind, at, body = await build_payload(worker.store, item)
            if not await retry_store(worker.store.webhooks.set_body)(item, kind, body, at):
                raise LeaseLost
            item.type, item.body = kind, body
        key = await worker.store.api_keys.get(item.owner) if item.owner else None
        signing = self._signing.for_owner(item.owner, key.generation if key else 0)
        put = await self._prepare(item) if item.result is not None else None
        await self.begin(item)
        began = time.perf_counter()
        result = await (put() if put else self._call(item, item.body, signing))
        seconds = time.perf_counter() - began
        worker.instruments.count(WEBHOOK_CALLS, result.outcome)
        worker.instruments.observe(WEBHOOK_DURATION, seconds)
        item.new_attempt = WebhookAttempt(
            at=worker.store.clock.now(),
            ms=round(seconds * 1000, 1),
            outcome=result.outcome,
            status=result.status,
            worker=worker.name,
        )
        if result.outcome in _FINAL_OUTCOMES or (put and _is_refused(result)):
            raise PermanentFailure(result.detail)
        if result.outcome != "delivered":
            raise TemporaryFailure(result.detail, result.retry_after)

    async def _call(self, webhook: WebhookEvent, body: str, signing: list[str]) -> CallResult:
        try:
            # Checked again: the settings may have changed since the submission.
            url = parse_callback_url(webhook.url, self._addresses)
        except BadCallbackUrl as error:
            return CallResult("bad_callback", detail=error.detail)
        signed = signature_headers(signing, webhook.id, body, self._worker.store.clock.now())
        headers = {**signed, "Content-Type": "application/json", "User-Agent": "Darkroom"}
        return await self._client.post(url, body, headers)

    async def _prepare(self, delivery: WebhookEvent) -> Callable[[], Awaitable[CallResult]]:
        """Return the PUT of the task's result.

        Raises:
            PermanentFailure: there is no such result, or it was removed.
        """
        store = self._worker.store
        task = await store.tasks.get(delivery.subject)
        if delivery.type != f"{delivery.about}.succeeded" or task is None:
            raise PermanentFailure("the task has no results: see its error")
        found = delivery.result is not None and task.results[delivery.result : delivery.result + 1]
        if not found or found[0].gone:
            raise PermanentFailure("the result was removed before it was delivered")
        (result,) = found

        async def put() -> CallResult:
            try:
                url = parse_deliver_url(delivery.url, self._addresses)
            except BadCallbackUrl as error:
                return CallResult("bad_callback", detail=error.detail)
            headers = {
                "Content-Type": MEDIA_TYPES[result.format],
                "Content-Length": str(result.bytes),
                "User-Agent": "Darkroom",
                "webhook-id": delivery.id,  # by which a Darkroom refuses it
                "x-ms-blob-type": "BlockBlob",  # Azure asks for it; the others pass over it
            }
            chunks = store.results.read(result.file_id, 0, result.bytes)
            return await self._client.put(url, chunks, result.bytes, headers)

        return put

    def log_fields(self, item: WebhookEvent) -> dict[str, Any]:
        about = {"about": item.about, "subject": item.subject, "host": item.host}
        return {**super().log_fields(item), **about}


def _is_refused(result: CallResult) -> bool:
    """Tell whether a store refused a result for good, e.g. since its URL has expired."""
    status = result.status or 0
    return 400 <= status < 500 and status not in _TRY_AGAIN


def task_ended(worker: WorkerContext, task_id: str) -> None:
    """Let ``release_webhooks`` make due the webhooks that wait for this task."""
    if worker.settings.webhook.webhooks:
        worker.ended.put_nowait(task_id)


async def release_webhooks(worker: WorkerContext) -> None:
    """Wait until a task has ended, and make due the webhooks of all that have: in one question.

    No retry: ``WebhookSender`` finds the rest.
    """
    ended = [await worker.ended.get()]
    while not worker.ended.empty():
        ended.append(worker.ended.get_nowait())
    due = len(ended)  # some may be, if it fails
    try:
        due = await worker.store.pending_webhooks.release(ended)
    except asyncio.CancelledError:  # the worker is stopping, and calls this once more
        for each in ended:
            worker.ended.put_nowait(each)
        raise
    finally:
        if due:
            worker.webhook_due.set()
