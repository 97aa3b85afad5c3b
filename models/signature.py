"""Signatures of webhooks, as the Standard Webhooks have them."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from models.settings import Settings


def secrets_of(settings: Settings, secret_key: str) -> list[str]:
    """Return WEBHOOK_SECRET's secrets, or the one that is made of ``secret_key``."""
    given = settings.webhook_secret.get_secret_value().split()
    if given:
        return given
    key = hmac.digest(secret_key.encode(), b"darkroom:webhook", "sha256")
    return ["whsec_" + base64.b64encode(key).decode()]


def headers(secrets: list[str], message_id: str, body: str, now: datetime) -> dict[str, str]:
    """Return the headers that show who sends ``body``; each secret signs."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
