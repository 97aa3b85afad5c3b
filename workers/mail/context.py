"""Where letters are written: what a letter's author needs, and what it hands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from models.auth.tokens import Purpose, Tokens
from models.settings import Settings
from models.store import Store


@dataclass(frozen=True)
class Desk:
    """What every letter is written from."""

    settings: Settings
    store: Store
    tokens: Tokens

    def link(self, path: str, purpose: Purpose, subscriber_id: str) -> str:
        """Return the address of a page that a letter leads to, with its signed token."""
        return f"{self.settings.url}{path}?token={self.tokens.make(purpose, subscriber_id)}"


@dataclass(frozen=True)
class Attachment:
    """A zip file; ``read`` gets its bytes when the message is made, as only then they are risked.

    It raises StoreUnavailable or LookupError where they cannot be read.
    """

    name: str
    read: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True)
class Content:
    """A letter before it has an envelope."""

    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)
    attachment: Attachment | None = None
