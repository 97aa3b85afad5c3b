"""What building an e-mail needs, and what it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from models.auth.tokens import Purpose, Tokens
from models.settings import Settings
from models.store import Store


@dataclass(frozen=True)
class MailContext:
    """What every e-mail is built from."""

    settings: Settings
    store: Store
    tokens: Tokens

    def link(self, path: str, purpose: Purpose, subscriber_id: str) -> str:
        """Return the URL of a page of this service, with a signed token for the subscriber."""
        token = self.tokens.make_subscriber_token(purpose, subscriber_id)
        return f"{self.settings.base_url}{path}?token={token}"


@dataclass(frozen=True)
class Attachment:
    """A zip file; ``read`` loads its bytes late, once a crash counts against the e-mail.

    ``read`` raises StoreUnavailable or LookupError.
    """

    name: str
    read: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True)
class EmailContent:
    """What an e-mail says, without sender and recipient."""

    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)
    attachment: Attachment | None = None
