"""Signed links: a result or an archive for whoever has the link, until it expires.

The signature covers the path, whose it is, when it expires, whether it is to be saved, and how
often the owner's key was made anew: all links of a key end with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from models.auth.tokens import Tokens
from models.errors import Forbidden, LinkExpired

SIGNATURE = "signature"
_QUERY = frozenset({"owner", "expires", "download", SIGNATURE})
_DIGITS = 11  # of a time in seconds; ours have ten


@dataclass(frozen=True)
class Link:
    """What a link opens; ``path`` as it is, not quoted; ``expires`` in seconds since 1970."""

    path: str
    owner: str
    expires: int
    download: bool = False

    def sealed(self, tokens: Tokens, made: int) -> str:
        """Return path and query; ``made``: of the owner's key."""
        query = {"expires": str(self.expires)}
        if self.owner:
            query["owner"] = self.owner
        if self.download:
            query["download"] = "1"
        query[SIGNATURE] = self._seal(tokens, made)
        return f"{quote(self.path)}?{urlencode(query)}"

    def check(self, tokens: Tokens, made: int, signature: str) -> None:
        """Return if ``signature`` is this link's and its time is not up.

        Raises:
            Forbidden: it is not. LinkExpired: it is.
        """
        if not tokens.is_same(signature, self._seal(tokens, made)):
            raise _not_ours()
        until = datetime.fromtimestamp(self.expires, UTC)
        if datetime.now(UTC) >= until:
            at = until.isoformat(timespec="seconds")
            raise LinkExpired(
                f"this link was good until {at}; whoever made it can make another", expired_at=at
            )

    def _seal(self, tokens: Tokens, made: int) -> str:
        return tokens.seal(self.path, self.owner, self.expires, self.download, made)


def read(path: str, query: Mapping[str, str]) -> Link:
    """Return the link that a request is, signed or not.

    Raises:
        Forbidden: it is none of ours.
    """
    expires, download = query.get("expires", ""), query.get("download", "0")
    number = expires.isascii() and expires.isdecimal() and len(expires) <= _DIGITS
    if not number or download not in {"0", "1"} or set(query) - _QUERY:
        raise _not_ours()
    return Link(path, query.get("owner", ""), int(expires), download == "1")


def _not_ours() -> Forbidden:
    return Forbidden("this link is not one of ours, or not complete; copy it whole")
