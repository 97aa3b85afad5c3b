"""What building an e-mail needs, what an e-mail says, and its MIME message."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from models.auth.tokens import Purpose, Tokens
from models.outbox.email import Email
from models.settings import Settings
from models.settings.mail import parse_sender
from models.store import Store

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class MailContext:
    """What every e-mail is built from."""

    settings: Settings
    store: Store
    tokens: Tokens

    def link(self, path: str, purpose: Purpose, subscriber_id: str) -> str:
        """Return the URL of a page of this service, with a signed token for the subscriber."""
        token = self.tokens.make_subscriber_token(purpose, subscriber_id)
        return f"{self.settings.http.base_url}{path}?token={token}"


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


def compose_message(
    email: Email, content: EmailContent, smtp_from: str, attached: bytes = b""
) -> EmailMessage:
    """Return the message: text, HTML, and the attachment, whose bytes are ``attached``.

    Raises:
        ValueError: a header's value contains a line break.
    """
    # 7 bits: every server takes them, with or without extensions. Long lines are allowed by
    # RFC 5322, and keep links whole in the source.
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit", max_line_length=998))
    message["From"] = parse_sender(smtp_from)
    message["To"] = Address(addr_spec=email.to)
    message["Subject"] = content.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = email.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    for name, value in content.headers.items():
        message[name] = value
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    if content.attachment is not None:
        name = content.attachment.name
        message.add_attachment(attached, maintype="application", subtype="zip", filename=name)
    return message


def single_line(value: object) -> str:
    """Return ``value`` on one line, without control and bidirectional formatting characters."""
    return _CONTROL_CHARACTERS.sub(" ", str(value))


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["single_line"] = single_line


def render(kind: str, **values: Any) -> tuple[str, str]:
    """Return the text and the HTML of an e-mail."""
    text, html = (
        _templates.get_template(f"{kind}.{suffix}").render(**values) for suffix in ("txt", "html")
    )
    return text.strip() + "\n", html.strip() + "\n"
