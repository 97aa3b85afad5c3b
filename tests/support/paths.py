"""Paths that tests read."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root folder."""

SHARED = ROOT.parent / "shared"
"""Weights and photographs that are not committed; users do not have them."""

PHOTOGRAPHS = sorted((ROOT / "tests" / "photographs").glob("*.png"))


def program(name: str) -> str:
    """Return the path of a program that `make test` puts into the virtual environment."""
    found = shutil.which(name, path=os.pathsep.join((f"{sys.prefix}/bin", os.environ["PATH"])))
    assert found, f"{name} is missing; make test installs it (standalone/setup.sh)"
    return found
