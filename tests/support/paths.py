"""Paths that tests read."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root folder."""

SHARED = ROOT.parent / "shared"
"""Weights and photographs that are not committed; users do not have them."""

PHOTOGRAPHS = sorted((ROOT / "tests" / "photographs").glob("*.png"))


def find_program(name: str) -> str | None:
    """Return the path of a program, of the virtual environment if it is there."""
    return shutil.which(name, path=os.pathsep.join((f"{sys.prefix}/bin", os.environ["PATH"])))


def program(name: str) -> str:
    """Return the path of a program that `make test` puts into the virtual environment."""
    found = find_program(name)
    assert found, f"{name} is missing; make test installs it (standalone/setup.sh)"
    return found


def node() -> str:
    """Return the path of the Node that Playwright brings: a machine's own may be too old."""
    found = importlib.util.find_spec("playwright")
    assert found is not None and found.origin is not None
    return str(Path(found.origin).parent / "driver" / "node")
