"""What we sign: tokens in letters and cookies, which expire, and links to results."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from models.errors import BadParameter
from models.settings import Settings

_LONGEST = 512  # characters; ours have about 100


class Purpose(StrEnum):
    """What a token allows; one made for another purpose is worth nothing."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"


class Tokens:
    """Makes and reads tokens; they carry a subscriber's random id, never the address."""

    def __init__(self, key: str, settings: Settings) -> None:
        self._key = key.encode()
        self._session_ttl = settings.admin_session_seconds
        self._key_session_ttl = settings.key_session_seconds
        admin = self._digest("darkroom:admin:" + settings.admin_token.get_secret_value())
        self._ttl = {
            Purpose.CONFIRM: settings.confirm_ttl,
            Purpose.UNSUBSCRIBE: settings.unsubscribe_ttl,
        }
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
        # Another ADMIN_TOKEN is another salt: it ends all sessions.
        self._sessions = URLSafeTimedSerializer(
            key,
            salt=f"darkroom:session:{admin}",
            signer_kwargs={**signing, "key_derivation": "hmac"},
        )

    def key_session(self, key_id: str, made: int) -> str:
        """Return a token that shows for KEY_SESSION_SECONDS that its bearer had that key."""
        token = self._key_sessions.dumps([key_id, made])
        return token.decode() if isinstance(token, bytes) else token

    def key_in(self, token: str) -> tuple[str, int] | None:
        """Return what ``key_session`` was given; None if the token is none, or its time is up."""
        if not token or len(token) > _LONGEST or not token.isascii():
            return None
        try:
            key_id, made = self._key_sessions.loads(token, max_age=self._key_session_ttl)
        except BadData:
            return None
        return str(key_id), int(made)

    def seal(self, *parts: str | int) -> str:
        """Return a signature of ``parts`` for a link: 64 hex digits."""
        return self._digest("darkroom:link:" + json.dumps(parts))

    def session(self) -> str:
        """Return a token that shows for ADMIN_SESSION_SECONDS that its bearer had ADMIN_TOKEN."""
        token = self._sessions.dumps(secrets.token_hex(8))
        return token.decode() if isinstance(token, bytes) else token

    def is_session(self, token: str) -> bool:
        """Tell whether ``token`` is such a one, and still good."""
        if len(token) > _LONGEST or not token.isascii():
            return False
        try:
            self._sessions.loads(token, max_age=self._session_ttl)
        except BadData:
            return False
        return True

    def is_same(self, one: str, other: str) -> bool:
        """Compare two secrets in a time that tells nothing of either."""
        return hmac.compare_digest(self._digest(one), self._digest(other))

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def pseudonym(self, client: str) -> str:
        """Return what stands for a client's address where it is kept: 16 hex digits."""
        return hmac.new(self._key, b"darkroom:client:" + client.encode(), "sha256").hexdigest()[:16]

    def make(self, purpose: Purpose, subscriber_id: str) -> str:
        token = self._serializers[purpose].dumps(subscriber_id)
        return token.decode() if isinstance(token, bytes) else token

    def read(self, purpose: Purpose, token: str) -> str:
        """Return the subscriber's id in ``token``.

        Raises:
            BadParameter: expired, or not made by us for this purpose; ``parameter`` is ``token``.
        """
        ttl = self._ttl[purpose]
        if len(token) <= _LONGEST and token.isascii():
            try:
                found = self._serializers[purpose].loads(token, max_age=ttl)
            except SignatureExpired:
                raise BadParameter(
                    f"this link has expired: it was good for {_span(ttl)}; ask for a new letter",
                    parameter="token",
                    limit=ttl,
                ) from None
            except BadData:
                found = None
            if isinstance(found, str):
                return found
        raise BadParameter(
            "this link is not one of ours, or not complete; copy it whole from the letter",
            parameter="token",
        )


def _span(seconds: int) -> str:
    """Return ``seconds`` as people say it: "48 hours", "60 days"."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= (3 if name == "days" else 1) * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
