"""Hooks of schemathesis: what it sends as a picture is one, so that it gets behind the decoder."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies

from tests import pictures

schemathesis.openapi.format(
    "binary",
    strategies.sampled_from(
        [
            pictures.png(16, 12),
            pictures.jpeg(16, 12),
            pictures.png(9, 9, seed=1),
            pictures.png()[:200],  # cut off
        ]
    ),
)
