"""Paths that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root folder."""

SHARED = ROOT.parent / "shared"
"""Weights and photographs that are not committed; users do not have them."""

PHOTOGRAPHS = sorted((ROOT / "tests" / "photographs").glob("*.png"))
