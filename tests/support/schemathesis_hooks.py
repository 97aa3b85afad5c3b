"""Schemathesis hook: binary fields are real pictures, so requests pass upload validation."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies

from tests.support import images

schemathesis.openapi.format(
    "binary",
    strategies.sampled_from(
        [
            images.png(16, 12),
            images.jpeg(16, 12),
            images.png(9, 9, seed=1),
            images.png()[:200],  # cut off
        ]
    ),
)
