"""Whose a task is, and whose somebody may see.

An owner is the id of an API key; tasks of those who showed none have the owner "". What is another
owner's is answered as if it did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class View:
    """What somebody sees: what is of ``owner``, or everything where that is None.

    ``own``: what is theirs, of those who see everything.
    """

    owner: str | None
    own: str = ""

    def query(self) -> dict[str, Any]:
        """Return the condition on a document of the ledger."""
        if self.owner is None:
            return {}
        # Those of before there were owners have none, and are nobody's, too.
        return {"owner": self.owner or {"$in": ["", None]}}

    def sees(self, owner: str) -> bool:
        return self.owner is None or self.owner == owner

    def is_foreign(self, owner: str) -> bool:
        """Tell whether what is of ``owner`` is seen, and another's."""
        return self.owner is None and owner != self.own


EVERYTHING = View(None)
"""What workers, the dashboard and keys with the scope ``admin`` see."""

NOBODYS = View("")
"""What those see who show no key."""


def scoped(owner: str, name: str, mark: str) -> str:
    """Return ``name`` as it is kept for ``owner``: for nobody's as it is, else behind a ``mark``.

    ``mark`` must be a character that no such name has.
    """
    return f"{owner}{mark}{name}" if owner else name
