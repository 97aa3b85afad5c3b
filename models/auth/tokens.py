"""Signed tokens: in e-mails and session cookies, which expire, and in links to results."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from models.errors import BadParameter

_MAX_TOKEN_CHARACTERS = 512  # a token has about 100


class Purpose(StrEnum):
    """What a token permits; it is invalid for any other purpose."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    KEY_SESSION = "key"


SKEW_SECONDS = 60
"""For so long after its end a link, a session or a token is accepted: each program asks MongoDB
for the time once a minute, and counts on in between."""
CONFIRM_SECONDS = 48 * 3600  # in which people read the e-mail that they asked for
KEY_SESSION_SECONDS = 12 * 3600
"""A key entered on the page stays valid there for a working day; rotating it ends its sessions."""
_TTL = {
    Purpose.CONFIRM: CONFIRM_SECONDS,
    Purpose.UNSUBSCRIBE: 60 * 24 * 3600,  # CAN-SPAM asks for 30 days
    Purpose.KEY_SESSION: KEY_SESSION_SECONDS,
}


class _Signer(TimestampSigner):
    def __init__(self, *args: Any, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


class Tokens:
    """Make and read tokens; those in e-mails carry a subscriber's random id, never the address."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        """``clock`` returns the seconds since 1970: MongoDB's, so that all programs agree."""
        self._key = key.encode()
        self.clock = clock
        signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac", "clock": clock}
        self._serializers = {
            purpose: URLSafeTimedSerializer(
                key, salt=f"darkroom:{purpose}", signer=_Signer, signer_kwargs=signing
            )
            for purpose in Purpose
        }

    def make_key_session(self, key_id: str, generation: int) -> str:
        """Return a token that proves for KEY_SESSION_SECONDS that its bearer had that key."""
        return self._make(Purpose.KEY_SESSION, [key_id, generation])

    def read_key_session(self, token: str) -> tuple[str, int] | None:
        """Return (key id, generation) of a key session; None if it is invalid or has expired."""
        try:
            key_id, generation = self._read(Purpose.KEY_SESSION, token)
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
        return self._make(purpose, subscriber_id)

    def read_subscriber_token(self, purpose: Purpose, token: str) -> str:
        """Return the subscriber's id in ``token``.

        Raises:
            BadParameter: expired or not valid for this purpose; ``parameter`` is ``token``.
        """
        try:
            return str(self._read(purpose, token))
        except SignatureExpired:
            ttl = _TTL[purpose]
            raise BadParameter(
                f"this link has expired after {_format_duration(ttl)}; ask for a new e-mail",
                parameter="token",
                limit=ttl,
            ) from None
        except BadData:
            raise BadParameter(
                "this link is not valid or not complete; copy all of it from the e-mail",
                parameter="token",
            ) from None

    def _make(self, purpose: Purpose, value: Any) -> str:
        token = self._serializers[purpose].dumps(value)
        return token.decode() if isinstance(token, bytes) else token

    def _read(self, purpose: Purpose, token: str) -> Any:
        if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
            raise BadData("not a token")
        # Not max_age: it refuses what a program made that is a second ahead.
        value, made = self._serializers[purpose].loads(token, return_timestamp=True)
        if self.clock() - made.timestamp() > _TTL[purpose] + SKEW_SECONDS:
            raise SignatureExpired("it has expired")
        return value


def _format_duration(seconds: int) -> str:
    """Return ``seconds`` in words: "48 hours", "60 days"."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= (3 if name == "days" else 1) * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
