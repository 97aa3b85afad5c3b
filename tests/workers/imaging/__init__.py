"""What the tests of pictures share."""

from __future__ import annotations

import tempfile
from pathlib import Path

from models.images.encoder_settings import DEFAULT, EncoderSettings
from models.operations import Encoding
from workers.imaging.picture import Picture
from workers.imaging.writer import write


def encode(picture: Picture, encoding: Encoding, writing: EncoderSettings = DEFAULT) -> bytes:
    """Return the bytes of the file that ``write`` makes."""
    with tempfile.TemporaryDirectory() as folder:
        return Path(
            write(picture, encoding, writing, Path(folder) / "result.png").path
        ).read_bytes()
