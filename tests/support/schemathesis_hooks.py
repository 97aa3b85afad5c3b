"""Schemathesis hook: pictures, also in base64, are real, so requests pass upload validation."""

from __future__ import annotations

import base64

import schemathesis
from hypothesis import strategies

from tests.support import images

PICTURES = [
    images.png(16, 12),
    images.jpeg(16, 12),
    images.png(9, 9, seed=1),
    images.png()[:200],  # cut off
]

schemathesis.openapi.format("binary", strategies.sampled_from(PICTURES))
schemathesis.openapi.format(
    "byte", strategies.sampled_from([base64.b64encode(each).decode() for each in PICTURES])
)
