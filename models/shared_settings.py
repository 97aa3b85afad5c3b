"""Settings that must be the same for all programs on one database.

Where others differ, tasks go to a worker that has what they need (``models.tasks.needs``), or each
program keeps to its own. With these, programs that differ break what was promised: a link of one
service would be invalid on another, or a worker would delete what the others keep.
"""

from __future__ import annotations

import hmac

from models.outbox.webhook_signature import signing_secrets
from models.settings import Settings

SECRET = frozenset({"SECRET_KEY", "WEBHOOK_SECRET"})
"""Of these only fingerprints are stored."""

SharedSettings = dict[str, list[str]]
"""By the name of the setting. Two programs agree on it if they have one of its values in common:
while WEBHOOK_SECRET is rotated, some sign with both secrets."""


def shared_settings(settings: Settings, secret_key: str, *, worker: bool) -> SharedSettings:
    """Return what must be the same; ``secret_key``: the one in use, see ``models.store``.

    ``worker``: with those that only workers use.
    """
    kept = settings.retention
    shared = {
        "SECRET_KEY": [_fingerprint(secret_key)],
        "RESULT_TTL": [f"{kept.result_ttl:g}"],
        "ORIGINAL_TTL": [f"{kept.original_ttl:g}"],
        "DELETE_GRACE_SECONDS": [f"{kept.delete_grace_seconds:g}"],
    }
    if worker:
        signing = signing_secrets(settings.webhook, secret_key).shared
        shared["WEBHOOK_SECRET"] = [_fingerprint(each) for each in signing]
        # Machines may have different mail servers; one without any would send no e-mail of its own.
        shared["SMTP_HOST"] = ["set" if settings.mail.smtp_host else "empty"]
    return shared


def _fingerprint(secret: str) -> str:
    return hmac.new(secret.encode(), b"darkroom:fingerprint", "sha256").hexdigest()[:16]
