"""Who asks, as far as it was found out at the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from models.auth.api_key import Key, Scope
from models.auth.visibility import NOBODYS, View


@dataclass(frozen=True)
class Caller:
    """Who asks: with a ``key``, by what ``means``; ``view`` is what they see."""

    key: Key | None = None
    means: Literal["nothing", "key", "session", "link"] = "nothing"
    view: View = NOBODYS

    @property
    def owner(self) -> str:
        """Whose what they submit is."""
        return self.key.id if self.key else ""

    @classmethod
    def of(cls, key: Key, means: Literal["key", "session"]) -> Caller:
        """Return who has ``key``."""
        view = View(None, key.id) if key.allows(Scope.ADMIN) else View(key.id)
        return cls(key, means, view)


ANYBODY = Caller()
"""Who shows nothing."""

CALLER = web.RequestKey("caller", Caller)


def caller(request: web.Request) -> Caller:
    """Return who asks."""
    found: Caller = request.get(CALLER, ANYBODY)
    return found
