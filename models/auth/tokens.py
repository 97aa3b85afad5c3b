"""Signed tokens: in e-mails and session cookies, which expire, and in links to results."""

from __future__ import annotations

import hashlib
import hmac
import json
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from models.errors import BadParameter
from models.settings import Settings

_MAX_TOKEN_CHARACTERS = 512  # a token has about 100


class Purpose(StrEnum):
    """What a token permits; it is invalid for any other purpose."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"


CONFIRM_SECONDS = 48 * 3600  # in which people read the e-mail that they asked for
_TTL_SECONDS = {
    Purpose.CONFIRM: CONFIRM_SECONDS,
    Purpose.UNSUBSCRIBE: 60 * 24 * 3600,  # CAN-SPAM asks for 30 days
}


class Tokens:
    """Make and read tokens; those in e-mails carry a subscriber's random id, never the address."""

    def __init__(self, key: str, settings: Settings) -> None:
        self._key = key.encode()
        self._key_session_ttl = settings.key_session_seconds
        signing: dict[str, Any] = {"digest_method": hashlib.sha256}
        self._serializers = {
            purpose: URLSafeTimedSerializer(
                key, salt=f"darkroom:{purpose}", signer_kwargs={**signing, "key_derivation": "hmac"}
            )
            for purpose in Purpose
        }
        self._key_sessions = URLSafeTimedSerializer(
            key, salt="darkroom:key", signer_kwargs={**signing, "key_derivation": "hmac"}
        )

    def make_key_session(self, key_id: str, generation: int) -> str:
        """Return a token that proves for KEY_SESSION_SECONDS that its bearer had that key."""
        token = self._key_sessions.dumps([key_id, generation])
        return token.decode() if isinstance(token, bytes) else token

    def read_key_session(self, token: str) -> tuple[str, int] | None:
        """Return (key id, generation) of a key session; None if it is invalid or has expired."""
        if not token or len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
            return None
        try:
            key_id, generation = self._key_sessions.loads(token, max_age=self._key_session_ttl)
        except BadData:
            return None
        return str(key_id), int(generation)

    def sign(self, *parts: str | int) -> str:
        """Return a signature of ``parts`` for a link: 64 hex digits."""
        return self._digest("darkroom:link:" + json.dumps(parts))

    def equal(self, one: str, other: str) -> bool:
        """Compare two secrets in constant time."""
        return hmac.compare_digest(self._digest(one), self._digest(other))

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def pseudonym(self, client: str) -> str:
        """Return the pseudonym under which a client's address is stored: 16 hex digits."""
        return hmac.new(self._key, b"darkroom:client:" + client.encode(), "sha256").hexdigest()[:16]

    def make_subscriber_token(self, purpose: Purpose, subscriber_id: str) -> str:
        token = self._serializers[purpose].dumps(subscriber_id)
        return token.decode() if isinstance(token, bytes) else token

    def read_subscriber_token(self, purpose: Purpose, token: str) -> str:
        """Return the subscriber's id in ``token``.

        Raises:
            BadParameter: expired or not valid for this purpose; ``parameter`` is ``token``.
        """
        ttl = _TTL_SECONDS[purpose]
        if len(token) <= _MAX_TOKEN_CHARACTERS and token.isascii():
            try:
                subscriber_id = self._serializers[purpose].loads(token, max_age=ttl)
            except SignatureExpired:
                raise BadParameter(
                    f"this link has expired after {_format_duration(ttl)}; ask for a new e-mail",
                    parameter="token",
                    limit=ttl,
                ) from None
            except BadData:
                subscriber_id = None
            if isinstance(subscriber_id, str):
                return subscriber_id
        raise BadParameter(
            "this link is not valid or not complete; copy all of it from the e-mail",
            parameter="token",
        )


def _format_duration(seconds: int) -> str:
    """Return ``seconds`` in words: "48 hours", "60 days"."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= (3 if name == "days" else 1) * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
