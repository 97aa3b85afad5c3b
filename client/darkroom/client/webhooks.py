"""Verify webhooks, which Darkroom signs according to Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.client.documents import Group, Task, read_group, read_task
from darkroom.client.errors import NotVerified

MAX_AGE_SECONDS = 300.0
"""Default age limit, also of a timestamp in the future: what Standard Webhooks recommends."""


@dataclass(frozen=True)
class Webhook:
    """A verified webhook.

    ``id`` stays the same when a webhook is delivered again: remember those that were processed.
    ``type``: ``task.`` or ``group.`` and ``succeeded``, ``failed`` or ``cancelled``.
    """

    id: str
    type: str
    about: Task | Group
    document: Mapping[str, Any]


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Iterable[str],
    *,
    max_age: float = MAX_AGE_SECONDS,
    now: float | None = None,
) -> Webhook:
    """Return the webhook in a request, if Darkroom signed it at most ``max_age`` seconds ago.

    ``body``: the bytes as they came. ``secrets``: as ``darkroom webhook-secret`` prints them, one
    or, while they are rotated, several in a list or separated by spaces. ``now``: in seconds since
    1970.

    Raises:
        NotVerified: a header is missing or malformed, no signature fits, or it is too old.
        ValueError: there is no secret, or one is malformed.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identifier, sent, signatures = (
            given[f"webhook-{name}"] for name in ("id", "timestamp", "signature")
        )
    except KeyError as error:
        raise NotVerified(f"the header {error.args[0]} is missing") from None
    if not (sent.isascii() and sent.isdecimal()):
        raise NotVerified(f"webhook-timestamp is not a number of seconds: {sent[:40]!a}")
    age = (time.time() if now is None else now) - int(sent[:20])
    signed = f"{identifier}.{sent}.".encode() + body
    expected = [hmac.digest(key, signed, "sha256") for key in _keys(secrets)]
    received = list(_signatures(signatures))
    # Each with each, so that the time says nothing about which one fits.
    fits = [hmac.compare_digest(one, other) for one in expected for other in received]
    if not any(fits):
        raise NotVerified("no signature fits the body and the secrets")
    if abs(age) > max_age:
        raise NotVerified(f"it was signed {age:.0f} s ago; at most {max_age:g} s are allowed")
    try:
        document = json.loads(body)
        kind, data = str(document["type"]), document["data"]
    except (ValueError, TypeError, KeyError):
        raise NotVerified("the body is not a webhook of Darkroom") from None
    about = read_group(data) if kind.startswith("group.") else read_task(data)
    return Webhook(identifier, kind, about, document)


def _keys(secrets: str | Iterable[str]) -> list[bytes]:
    parts = secrets.split() if isinstance(secrets, str) else [each.strip() for each in secrets]
    keys = []
    for part in parts:
        try:
            keys.append(base64.b64decode(part.removeprefix("whsec_"), validate=True))
        except binascii.Error:
            raise ValueError("a secret is not base64 behind whsec_") from None
    if not keys or not all(keys):
        raise ValueError("there is no secret to verify with, or one is empty")
    return keys


def _signatures(header: str) -> Iterable[bytes]:
    """Yield the signatures of version 1; others, and malformed ones, are left out."""
    for part in header.split()[:20]:  # more than any sender has secrets
        version, _, value = part.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                continue
