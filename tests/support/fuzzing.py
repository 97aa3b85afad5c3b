"""How many examples the fuzz tests try: a few by default, FUZZ_EXAMPLES with ``make fuzz``."""

from __future__ import annotations

import os

from hypothesis import settings

LONG = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "500"))
"""Malformed images; a test of a single function takes a tenth of them."""


def load_profile() -> None:
    """Make these the settings of every hypothesis test."""
    settings.register_profile(
        "darkroom",
        max_examples=max(50, EXAMPLES // 10),
        deadline=None,  # the processor is shared
        derandomize=not LONG,  # each run has the same examples, each long run others
        database=None,
        print_blob=True,
    )
    settings.load_profile("darkroom")
