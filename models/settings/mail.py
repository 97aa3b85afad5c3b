"""Settings: how letters leave."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

MIB = 1024 * 1024
HOUR = 3600
DAY = 24 * HOUR


class Mail(BaseSettings):
    """How letters leave."""

    smtp_host: str = Field(
        "", description="Mail server; empty: letters become .eml files in DATA_DIR/outbox."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        description="none: in the clear; starttls: refused unless the server offers it "
        "(port 587); tls: from the first byte (port 465).",
    )
    smtp_user: str = Field("", description="Name to log in with; empty: without a login.")
    smtp_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="Password of SMTP_USER; never logged."
    )
    smtp_from: str = Field(
        "Darkroom <darkroom@localhost>",
        description="Sender of all letters; its domain is also that of their Message-ID.",
    )
    smtp_timeout: float = Field(
        30, gt=0, description="Seconds one answer of the mail server may take; a letter ten times."
    )
    smtp_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the SMTP server is checked against, if private."
    )
    max_attachment_bytes: int = Field(
        10 * MIB,
        ge=0,
        description="Largest archive sent in a letter, which grows by a third on its way; larger "
        "ones become a link.",
    )
    mail_per_address: int = Field(
        5, ge=1, description="Letters an hour that strangers can have sent to one address."
    )
    mail_per_client: int = Field(
        30, ge=1, description="Calls an hour of one client that may send letters; then 429."
    )
    proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Reverse proxies before the service that each append to X-Forwarded-For, to "
        "tell clients apart; 0: the header is not believed.",
    )
    mail_retry: float = Field(
        30,
        gt=0,
        description="Seconds before a letter is tried again after trouble with the mail server; "
        "doubles each time, up to an hour.",
    )
    mail_give_up: float = Field(
        3 * DAY, gt=0, description="Seconds of such trouble after which a letter is FAILED."
    )
    mail_attempts: int = Field(
        5,
        ge=1,
        description="Times a letter is tried over which its worker died or stumbled; then FAILED.",
    )
    mail_keep: float = Field(
        30 * DAY,
        ge=8 * DAY,
        description="Seconds the outbox remembers letters that were sent or failed; longer than a "
        "week, so that no newsletter goes twice.",
    )
    mail_again: float = Field(
        HOUR, ge=0, description="Seconds before /send_images sends the same archive once more."
    )
    confirm_ttl: int = Field(
        48 * HOUR, ge=60, description="Seconds the link in a confirmation letter is good."
    )
    unsubscribe_ttl: int = Field(
        60 * DAY, ge=60, description="Seconds the unsubscribe link in a newsletter is good."
    )
    newsletter_weekday: Literal["off", "mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        "mon", description="Day of the weekly newsletter; off: none is sent."
    )
    newsletter_hour: int = Field(8, ge=0, le=23, description="Hour of the newsletter, in UTC.")
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Signs the links in letters, 32 characters or more; empty: one is made once "
        "and kept in MongoDB for all programs.",
    )

    @field_validator("smtp_password")
    @classmethod
    def _with_a_user(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(value.get_secret_value()) != bool(info.data.get("smtp_user")):
            raise ValueError("SMTP_USER and SMTP_PASSWORD are set both or neither")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        length = len(value.get_secret_value())
        if 0 < length < 32:
            raise ValueError(f"it has {length} characters; 32 or more are needed, or none")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _is_a_sender(cls, value: str) -> str:
        sender(value)
        return value


def sender(text: str) -> Address:
    """Return ``text`` ("Name <box@domain>" or "box@domain") as an address for a header.

    Raises:
        ValueError: it is none.
    """
    refusal = ValueError(f"{text!a} is no sender; e.g. Darkroom <pictures@example.org>")
    name, box = parseaddr(text)
    if not text.isprintable() or not box.isascii():
        raise refusal
    try:
        address = Address(name, addr_spec=box)
    except (HeaderParseError, IndexError):
        raise refusal from None
    if not address.username or not address.domain:
        raise refusal
    return address
