"""Read locks/: every installed package with its exact version and hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).resolve().parents[2] / "locks"


@dataclass(frozen=True)
class Locked:
    """One package of a lock."""

    version: str
    marker: Marker | None
    hashes: frozenset[str]

    @property
    def here(self) -> bool:
        """Whether the package is for this platform and Python version."""
        return self.marker is None or self.marker.evaluate()


def read(name: str) -> dict[str, Locked]:
    """Return the packages of ``locks/<name>.txt`` by name.

    Raises:
        ValueError: a line pins no package.
    """
    text = re.sub(r"\\\n\s*", " ", (FOLDER / f"{name}.txt").read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found: dict[str, Locked] = {}
    for line in lines:
        pinned, *hashes = line.split(" --hash=sha256:")
        match = re.fullmatch(r"([\w.-]+)==([^\s;]+)(?: ; (.+))?", pinned.strip())
        if match is None:
            raise ValueError(f"locks/{name}.txt: {pinned}")
        package, version, marker = match.groups()
        digests = frozenset(digest.strip() for digest in hashes)
        found[canonicalize_name(package)] = Locked(
            version, Marker(marker) if marker else None, digests
        )
    return found
