"""Signatures of webhooks according to Standard Webhooks."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from models.settings.webhook import WebhookSettings


@dataclass(frozen=True, repr=False)
class SigningSecrets:
    """Signing secrets: ``shared`` for anonymous clients, one derived from ``root`` for each key.

    A receiver knows the secret that signs its webhooks, and must not be able to compute another
    key's secret from ``shared``: ``root`` is SECRET_KEY, which no receiver ever gets.
    """

    shared: list[str]
    root: bytes

    def for_owner(self, owner: str, generation: int = 0) -> list[str]:
        """Return the secrets for webhooks of ``owner``, a key's id, in its ``generation``."""
        if not owner:
            return self.shared
        return [_derive(self.root, f"darkroom:webhook:key:{owner}:{generation}")]


def signing_secrets(settings: WebhookSettings, secret_key: str) -> SigningSecrets:
    """Return the signing secrets; ``secret_key``: see ``models.store.mongo.state``.

    Without WEBHOOK_SECRET the shared secret is derived from it, too.
    """
    root = secret_key.encode()
    configured = settings.webhook_secret.get_secret_value().split()
    return SigningSecrets(configured or [_derive(root, "darkroom:webhook")], root)


def _derive(root: bytes, purpose: str) -> str:
    return "whsec_" + base64.b64encode(hmac.digest(root, purpose.encode(), "sha256")).decode()


def signature_headers(
    secrets: list[str], message_id: str, body: str, now: datetime
) -> dict[str, str]:
    """Return the headers that sign ``body`` with each of ``secrets``."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
