"""From content to a message: headers that nobody can smuggle anything into."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from models.outbox.email import Letter
from models.settings.mail import sender
from workers.mail.context import Content


def compose(
    letter: Letter, content: Content, smtp_from: str, attached: bytes = b""
) -> EmailMessage:
    """Return the message: text, HTML, and the attachment, whose bytes are ``attached``.

    Raises:
        ValueError: a header's value would break out of its line.
    """
    # 7 bits: any server takes them, whatever extensions it has. Long lines are allowed by RFC 5322,
    # and keep links whole for whoever reads the source.
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit", max_line_length=998))
    message["From"] = sender(smtp_from)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = content.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers, please
    for name, value in content.headers.items():
        message[name] = value
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    if content.attachment is not None:
        name = content.attachment.name
        message.add_attachment(attached, maintype="application", subtype="zip", filename=name)
    return message
