"""API keys: what a client shows, and what is kept of it.

    dk_<id>_<secret>      16 and 64 hex digits

The id is no secret: it stands in logs, and owns what is submitted with the key. Of the whole only
the SHA-256 is kept. A slow hash protects passwords, which people choose; 256 random bits cannot be
tried out, and every request would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

COARSE = timedelta(minutes=10)
"""By which ``used_at`` may lag behind: a write for each request would not do."""
_TOKEN = re.compile(r"dk_([0-9a-f]{16})_[0-9a-f]{64}")


class Scope(StrEnum):
    """What a key is good for; ``admin`` includes the others."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


class Key(BaseModel):
    """A key as it is kept; ``digest`` is the SHA-256 of what is shown, in hex.

    ``made`` is raised by ``rotate``: what was signed for the key before is void then.
    """

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    scopes: list[Scope]
    digest: str
    made: int = 0
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Whether it was not revoked, and its time is not up."""
        return self.revoked_at is None and (
            self.expires_at is None or datetime.now(UTC) < self.expires_at
        )

    @property
    def stale(self) -> bool:
        """Whether ``used_at`` says nothing of the last minutes."""
        return self.used_at is None or datetime.now(UTC) - self.used_at > COARSE

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def opens(self, token: str) -> bool:
        """Tell whether ``token`` is this key, in a time that tells nothing of it."""
        return hmac.compare_digest(digest(token), self.digest)


def new_id() -> str:
    return secrets.token_hex(8)


def new_token(key_id: str) -> str:
    """Return a new secret of that key, to be shown once."""
    return f"dk_{key_id}_{secrets.token_hex(32)}"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(token: str) -> str | None:
    """Return the id in ``token``; None if it has not the form of a key."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None
