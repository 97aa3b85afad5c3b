"""Signatures of webhooks, as the Standard Webhooks have them."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from models.settings import Settings

_MARK = "whsec_"


def secrets_of(settings: Settings, secret_key: str) -> list[str]:
    """Return WEBHOOK_SECRET's secrets, or the one that is made of ``secret_key``."""
    given = settings.webhook_secret.get_secret_value().split()
    return given or [_made(secret_key.encode(), b"darkroom:webhook")]


def secrets_for(secrets: list[str], owner: str) -> list[str]:
    """Return what signs the events of ``owner``: an API key's are its own, nobody's as they are.

    Whoever has a secret can sign with it, so those of different keys must not share one.
    """
    if not owner:
        return secrets
    keys = [base64.b64decode(each.removeprefix(_MARK)) for each in secrets]
    return [_made(key, f"darkroom:owner:{owner}".encode()) for key in keys]


def _made(key: bytes, purpose: bytes) -> str:
    return _MARK + base64.b64encode(hmac.digest(key, purpose, "sha256")).decode()


def headers(secrets: list[str], message_id: str, body: str, now: datetime) -> dict[str, str]:
    """Return the headers that show who sends ``body``; each secret signs."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
