"""Settings: e-mails and the newsletter."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from models.settings.group import MIB, Group


class MailSettings(Group):
    """E-mails and the newsletter."""

    smtp_host: str = Field(
        "", description="Mail server; empty: e-mails become .eml files in DATA_DIR/outbox."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        description="none: unencrypted; starttls: fails unless the server offers it (port 587); "
        "tls: from the first byte (port 465).",
    )
    smtp_user: str = Field("", description="User name for the mail server; empty: no login.")
    smtp_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="Password of SMTP_USER; never logged."
    )
    smtp_from: str = Field(
        "Darkroom <darkroom@localhost>",
        description="Sender of all e-mails; its domain is also that of their Message-ID.",
    )
    smtp_ca_file: Path | None = Field(
        None, description="File with CA certificates (PEM) for a mail server with a private CA."
    )
    max_attachment_bytes: int = Field(
        10 * MIB,
        ge=0,
        description="Largest archive sent as an attachment, which base64 makes a third larger; "
        "for larger ones the e-mail has a link.",
    )
    newsletter_weekday: Literal["off", "mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        "mon", description="Day of the weekly newsletter; off: no newsletter."
    )
    newsletter_hour: int = Field(8, ge=0, le=23, description="Hour of the newsletter, in UTC.")

    @field_validator("smtp_password")
    @classmethod
    def _check_password(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(value.get_secret_value()) != bool(info.data.get("smtp_user")):
            raise ValueError("set both SMTP_USER and SMTP_PASSWORD, or neither")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        parse_sender(value)
        return value


def parse_sender(text: str) -> Address:
    """Return ``text`` ("Name <box@domain>" or "box@domain") as an address for a header.

    Raises:
        ValueError: it is malformed.
    """
    malformed = ValueError(f"{text!a} is not a sender; e.g. Darkroom <pictures@example.org>")
    name, mailbox = parseaddr(text)
    if not text.isprintable() or not mailbox.isascii():
        raise malformed
    try:
        address = Address(name, addr_spec=mailbox)
    except (HeaderParseError, IndexError):
        raise malformed from None
    if not address.username or not address.domain:
        raise malformed
    return address
