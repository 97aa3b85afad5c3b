"""Tests of image files."""

from __future__ import annotations

import tempfile

from models.images.inspect import ImageHeader, inspect


def look(data: bytes) -> ImageHeader:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return inspect(file)
