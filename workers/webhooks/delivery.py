"""Deliver one webhook: build its payload, sign it, call the receiver and record the attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from models.errors import BadCallbackUrl
from models.metrics.definitions import WEBHOOK_CALLS, WEBHOOK_DURATION
from models.outbox.webhook import WebhookAttempt, WebhookEvent
from models.outbox.webhook_signature import SigningSecrets, signature_headers
from models.outbox.webhook_url import AddressPolicy, parse_callback_url
from models.settings import Settings
from workers.context import WorkerContext
from workers.outbox import (
    Delivery,
    LeaseLost,
    PermanentFailure,
    RetryPolicy,
    TemporaryFailure,
    deliver,
    mark_begun,
)
from workers.store_retry import retry_store
from workers.webhooks.client import CallResult, WebhookClient
from workers.webhooks.payload import build_payload

_RETRY_SECONDS = 10.0  # before the second attempt: a receiver that restarts is back by then
_GIVE_UP_SECONDS = 24 * 3600.0  # a receiver that fails for a day is not coming back by itself
_FINAL_OUTCOMES = frozenset({"gone", "refused_address", "bad_callback"})
"""Not retried: the receiver answered 410, or it may not be called."""


@dataclass(frozen=True)
class WebhookContext:
    """What the webhook deliveries of one worker share."""

    worker: WorkerContext
    client: WebhookClient
    policy: AddressPolicy
    secrets: SigningSecrets


async def deliver_webhook(context: WebhookContext, webhook: WebhookEvent) -> None:
    """Deliver a claimed webhook and record how it ended, unless its lease is lost on the way.

    Raises:
        StoreUnavailable: MongoDB was away for longer than ``retry_store`` waits.
    """
    store, settings = context.worker.store, context.worker.settings

    async def send() -> None:
        body = webhook.body
        if body is None:
            payload = await build_payload(store, webhook)
            body = payload.body
            if not await retry_store(store.webhooks.set_body)(
                webhook, payload.type, body, payload.at
            ):
                raise LeaseLost
        secrets = await _signing_secrets(context, webhook)
        await mark_begun(delivery)
        result = await _call(context, webhook, body, secrets)
        instruments = context.worker.instruments
        instruments.count(WEBHOOK_CALLS, result.outcome)
        instruments.observe(WEBHOOK_DURATION, result.ms / 1000)
        webhook.new_attempt = WebhookAttempt(
            at=datetime.now(UTC),
            ms=result.ms,
            outcome=result.outcome,
            status=result.status,
            worker=context.worker.name,
        )
        if result.outcome in _FINAL_OUTCOMES:
            raise PermanentFailure(result.detail)
        if result.outcome != "delivered":
            raise TemporaryFailure(result.detail, result.retry_after)

    log_fields = {"about": webhook.about, "subject": webhook.subject, "host": webhook.host}
    delivery = Delivery(store.webhooks, webhook, retry_policy(settings), "webhook", log_fields)
    await deliver(delivery, send)


async def _signing_secrets(context: WebhookContext, webhook: WebhookEvent) -> list[str]:
    """Return the secrets that sign the webhook for the current generation of its API key."""
    owner = webhook.owner
    key = await context.worker.store.api_keys.get(owner) if owner else None
    return context.secrets.for_owner(owner, key.generation if key else 0)


async def _call(
    context: WebhookContext, webhook: WebhookEvent, body: str, secrets: list[str]
) -> CallResult:
    try:
        # Checked again: the settings may have changed since the submission.
        url = parse_callback_url(webhook.url, context.policy)
    except BadCallbackUrl as error:
        return CallResult.not_made(error.detail)
    signed = signature_headers(secrets, webhook.id, body, datetime.now(UTC))
    return await context.client.post(
        url, body, {**signed, "Content-Type": "application/json", "User-Agent": "Darkroom"}
    )


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how long webhooks are tried."""
    return RetryPolicy(
        lease_seconds=settings.lease_seconds,
        keep_seconds=settings.webhook_retention_seconds,
        retry_seconds=_RETRY_SECONDS,
        give_up_seconds=_GIVE_UP_SECONDS,
    )
