"""Visibility: which owners' tasks, groups and files a client may see.

An owner is the id of an API key; tasks submitted without a key have the owner "" (anonymous).
Documents of other owners are answered as if they did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class View:
    """What a client may see: documents of ``owner``; all documents if ``owner`` is None.

    ``viewer``: the client's own id as an owner, for a client that sees all documents.
    """

    owner: str | None
    viewer: str = ""

    def query(self) -> dict[str, Any]:
        """Return the MongoDB query for the visible documents."""
        if self.owner is None:
            return {}
        # Older documents have no owner; treat them as anonymous.
        return {"owner": self.owner or {"$in": ["", None]}}

    def sees(self, owner: str) -> bool:
        return self.owner is None or self.owner == owner

    def is_foreign(self, owner: str) -> bool:
        """Return whether documents of ``owner`` are visible, but not the viewer's own."""
        return self.owner is None and owner != self.viewer


UNRESTRICTED_VIEW = View(None)
"""View of workers, the dashboard and keys with the scope ``admin``: all documents."""

ANONYMOUS_VIEW = View("")
"""View of clients without a key."""


def scoped(owner: str, name: str, separator: str) -> str:
    """Return the stored form of ``name`` for ``owner``: with owner and ``separator`` in front.

    Names of anonymous clients stay as they are. ``separator`` must not occur in such names.
    """
    return f"{owner}{separator}{name}" if owner else name
