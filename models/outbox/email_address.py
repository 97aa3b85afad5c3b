"""E-mail addresses from strangers."""

from __future__ import annotations

from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email

from models.errors import BadParameter

LONGEST = 254
"""Characters an address may have: RFC 5321's path of 256 without its angle brackets."""


def address(text: str) -> str:
    """Return the address in ``text`` in lower case, its domain in ASCII (IDNA).

    Lower case, because nobody has two boxes that differ in nothing else, while people write theirs
    now this way and now that.

    Raises:
        BadParameter: it is no address that a letter can be sent to; ``parameter`` is ``email``.
    """
    given = text.strip(" ")
    if len(given) > LONGEST:
        raise BadParameter(
            f"the address has {len(given)} characters; at most {LONGEST} are possible",
            parameter="email",
            limit=LONGEST,
            measured=len(given),
        )
    try:
        # Only what every mail server takes: no letters beyond ASCII before the @, no quotes.
        found = validate_email(given, check_deliverability=False, allow_smtputf8=False, strict=True)
    except (EmailNotValidError, UnicodeError) as error:
        reason = str(error) if isinstance(error, EmailNotValidError) else "it is not Unicode"
        raise BadParameter(
            # Without what was given: refusals are logged, and nearly an address is one to a reader.
            f"this is no e-mail address: {_plain(reason)} (e.g. ann@example.org)",
            parameter="email",
        ) from None
    normal = (found.ascii_email or found.normalized).lower()
    if len(normal) > LONGEST:
        raise BadParameter(
            f"the address has {len(normal)} characters in ASCII; at most {LONGEST} are possible",
            parameter="email",
            limit=LONGEST,
            measured=len(normal),
        )
    try:
        Address(addr_spec=normal)  # what a letter's header is made of; it is pickier in places
    except (ValueError, IndexError, HeaderParseError, MessageDefect):
        raise BadParameter(
            "the address is one that no letter can be written to (e.g. ann@example.org)",
            parameter="email",
        ) from None
    return normal


def _plain(reason: str) -> str:
    return reason.encode("ascii", "backslashreplace").decode().rstrip(".")
