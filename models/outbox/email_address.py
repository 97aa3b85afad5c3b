"""Validation of e-mail addresses."""

from __future__ import annotations

from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email

from models.errors import BadParameter

MAX_CHARACTERS = 254
"""Maximum length of an address: RFC 5321's path of 256 without its angle brackets."""


_GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""Two names of one provider, which ignores dots before the @."""


def parse_email_address(text: str) -> str:
    """Return the address in ``text`` in lower case, its domain in ASCII (IDNA).

    Lower case, because people write the same address in different case, and no two mailboxes
    differ in case alone.

    Raises:
        BadParameter: no e-mail can be sent to it; ``parameter`` is ``email``.
    """
    given = text.strip(" ")
    if len(given) > MAX_CHARACTERS:
        raise BadParameter(
            f"the address has {len(given)} characters; at most {MAX_CHARACTERS} are allowed",
            parameter="email",
            limit=MAX_CHARACTERS,
            measured=len(given),
        )
    try:
        # Only what every mail server accepts: ASCII before the @, no quotes.
        validated = validate_email(
            given, check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except (EmailNotValidError, UnicodeError) as error:
        reason = str(error) if isinstance(error, EmailNotValidError) else "it is not Unicode"
        raise BadParameter(
            # Without the input: errors are logged, and a mistyped address is personal data too.
            f"this is not an e-mail address: {_to_ascii(reason)} (e.g. ann@example.org)",
            parameter="email",
        ) from None
    normal = (validated.ascii_email or validated.normalized).lower()
    if len(normal) > MAX_CHARACTERS:
        raise BadParameter(
            f"the address has {len(normal)} characters in ASCII; "
            f"at most {MAX_CHARACTERS} are allowed",
            parameter="email",
            limit=MAX_CHARACTERS,
            measured=len(normal),
        )
    try:
        Address(addr_spec=normal)  # the class that writes the header is stricter in places
    except (ValueError, IndexError, HeaderParseError, MessageDefect):
        raise BadParameter(
            "no e-mail can be sent to this address (e.g. ann@example.org)",
            parameter="email",
        ) from None
    return normal


def mailbox(address: str) -> str:
    """Return the mailbox of an address that ``parse_email_address`` returned, for limits.

    What follows a ``+`` is a tag of the owner (RFC 5233), though a server may take it for a part of
    the name: then two people share a limit. Dots count, except where the provider says that they
    do not. E-mails go to the address as given.
    """
    name, _, domain = address.rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _GMAIL_DOMAINS:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}@{domain}"


def _to_ascii(reason: str) -> str:
    return reason.encode("ascii", "backslashreplace").decode().rstrip(".")
