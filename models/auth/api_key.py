"""API keys: the token that a client sends, and the document that MongoDB stores.

    dk_<id>_<secret>      16 and 64 hex digits

The id is not secret: logs show it, and it is the owner of what the key submits. Only the SHA-256 of
the token is stored. It needs no slow hash: that protects passwords that people choose, while 256
random bits cannot be guessed, and every request would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

USED_AT_PRECISION = timedelta(minutes=10)
"""How far ``used_at`` may lag behind: a write for each request would cost too much."""
_TOKEN = re.compile(r"dk_([0-9a-f]{16})_[0-9a-f]{64}")


class Scope(StrEnum):
    """What a key permits; ``admin`` includes the others."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


class ApiKey(BaseModel):
    """A stored key; ``digest`` is the SHA-256 of its token, in hex.

    ``rotate`` raises ``generation`` (``made`` in MongoDB): older signatures of the key become void.
    """

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    scopes: list[Scope]
    digest: str
    generation: int = Field(0, alias="made")
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    seen_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    """When it was read, by MongoDB's clock, which decides whether it has expired."""

    @property
    def active(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (
            self.expires_at is None or self.seen_at < self.expires_at
        )

    @property
    def used_at_stale(self) -> bool:
        """Whether ``used_at`` is older than USED_AT_PRECISION."""
        return self.used_at is None or self.seen_at - self.used_at > USED_AT_PRECISION

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def matches(self, token: str) -> bool:
        """Return whether ``token`` is this key's; compares in constant time."""
        return hmac.compare_digest(digest(token), self.digest)


def new_id() -> str:
    return secrets.token_hex(8)


def new_token(key_id: str) -> str:
    """Return a new token of that key; it is shown once."""
    return f"dk_{key_id}_{secrets.token_hex(32)}"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def key_id_of(token: str) -> str | None:
    """Return the key id in ``token``; None if it does not have the form of a token."""
    match = _TOKEN.fullmatch(token)
    return match[1] if match else None
