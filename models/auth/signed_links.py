"""Signed links: they open a result or an archive without a key until they expire.

The signature covers the path, the owner, the expiry, whether browsers save the file, and the
generation of the owner's key: rotating a key ends all of its links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from models.auth.tokens import SKEW_SECONDS, Tokens
from models.errors import Forbidden, LinkExpired

SIGNATURE = "signature"
_QUERY = frozenset({"owner", "expires", "download", SIGNATURE})
_MAX_EXPIRES_DIGITS = 11  # of a Unix time; today's have ten


@dataclass(frozen=True)
class SignedLink:
    """One link: ``path`` is not URL-quoted; ``expires`` is Unix time in seconds."""

    path: str
    owner: str
    expires: int
    download: bool = False

    def signed_url(self, tokens: Tokens, generation: int) -> str:
        """Return path and query; ``generation`` is that of the owner's key."""
        query = {"expires": str(self.expires)}
        if self.owner:
            query["owner"] = self.owner
        if self.download:
            query["download"] = "1"
        query[SIGNATURE] = self._sign(tokens, generation)
        return f"{quote(self.path)}?{urlencode(query)}"

    def verify(self, tokens: Tokens, generation: int, signature: str) -> None:
        """Return if ``signature`` is this link's and it expired at most SKEW_SECONDS ago.

        Raises:
            Forbidden: the signature is wrong. LinkExpired: the link has expired.
        """
        if not tokens.equal(signature, self._sign(tokens, generation)):
            raise _invalid_link()
        if tokens.clock() >= self.expires + SKEW_SECONDS:
            at = datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="seconds")
            raise LinkExpired(
                f"this link expired at {at}; ask its sender for a new one", expired_at=at
            )

    def _sign(self, tokens: Tokens, generation: int) -> str:
        return tokens.sign(self.path, self.owner, self.expires, self.download, generation)


def parse(path: str, query: Mapping[str, str]) -> SignedLink:
    """Return the link in a request; its signature is not checked yet.

    Raises:
        Forbidden: the query is malformed.
    """
    expires, download = query.get("expires", ""), query.get("download", "0")
    number = expires.isascii() and expires.isdecimal() and len(expires) <= _MAX_EXPIRES_DIGITS
    if not number or download not in {"0", "1"} or set(query) - _QUERY:
        raise _invalid_link()
    return SignedLink(path, query.get("owner", ""), int(expires), download == "1")


def _invalid_link() -> Forbidden:
    return Forbidden("this link is not valid or not complete; copy all of it")
