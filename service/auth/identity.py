"""Identity of a request: API key, how it authenticated, what it may see; its client ID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from models.auth.api_key import ApiKey, Scope
from models.auth.visibility import ANONYMOUS_VIEW, View
from service.app_keys import TOKENS
from service.http.request_context import CLIENT_IP


@dataclass(frozen=True)
class Identity:
    """An authenticated client: its ``key``, the ``means`` of authentication, its ``view``."""

    key: ApiKey | None = None
    means: Literal["anonymous", "key", "session", "link"] = "anonymous"
    view: View = ANONYMOUS_VIEW

    @property
    def owner(self) -> str:
        """Owner of what this identity submits; "" if anonymous."""
        return self.key.id if self.key else ""

    @classmethod
    def of(cls, key: ApiKey, means: Literal["key", "session"]) -> Identity:
        """Return the identity of ``key``."""
        view = View(None, key.id) if key.allows(Scope.ADMIN) else View(key.id)
        return cls(key, means, view)


ANONYMOUS = Identity()
"""Identity of a request without credentials."""

IDENTITY = web.RequestKey("identity", Identity)


def identity(request: web.Request) -> Identity:
    """Return the identity that the auth middleware found."""
    found: Identity = request.get(IDENTITY, ANONYMOUS)
    return found


def client_id(request: web.Request) -> str:
    """Return the ID for quotas and fair queueing: hash of the API key, else of the IP address."""
    owner = identity(request).owner
    return request.app[TOKENS].pseudonym(f"key:{owner}" if owner else request[CLIENT_IP])
