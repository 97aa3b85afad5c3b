"""Signatures of webhooks, as the Standard Webhooks have them."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from models.settings import Settings


@dataclass(frozen=True, repr=False)
class Secrets:
    """What signs: ``house`` the events of nobody's key, and of each key one made of ``root``.

    Every receiver is given the secret of what it receives, so whoever knows ``house`` must not be
    able to compute a key's from it: ``root`` is SECRET_KEY, which no receiver is ever given.
    """

    house: list[str]
    root: bytes

    def of(self, owner: str, made: int = 0) -> list[str]:
        """Return what signs the events of ``owner``, a key's id; ``made``: see ``models.auth.api_key``."""
        if not owner:
            return self.house
        return [_made(self.root, f"darkroom:webhook:key:{owner}:{made}")]


def secrets_of(settings: Settings, secret_key: str) -> Secrets:
    """Return what signs; ``secret_key``: SECRET_KEY, or the one that is kept in MongoDB.

    Without WEBHOOK_SECRET ``house`` is made of it, too.
    """
    root = secret_key.encode()
    given = settings.webhook_secret.get_secret_value().split()
    return Secrets(given or [_made(root, "darkroom:webhook")], root)


def _made(root: bytes, purpose: str) -> str:
    return "whsec_" + base64.b64encode(hmac.digest(root, purpose.encode(), "sha256")).decode()


def headers(secrets: list[str], message_id: str, body: str, now: datetime) -> dict[str, str]:
    """Return the headers that show who sends ``body``; each secret signs."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
