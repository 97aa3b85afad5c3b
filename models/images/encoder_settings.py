"""Encoder settings of results: what a file's bytes depend on besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from models.images.inspect import OutputFormat

AVIF_QUALITY = 75
"""Of an AVIF, if the request names none: nearer to the original than the usual WebP, in two thirds
of the bytes of the usual JPEG (tests/workers/imaging/test_avif.py). A constant, since a request
that cares says its own."""

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the encoders, described in ``models.settings.encoding``.

    ``png_level``: 0 to 9; qualities: 1 to 100, for results whose operations name none.
    """

    png_level: int = 1
    jpeg_quality: int = 92
    jpeg_subsampling: Subsampling = "4:4:4"
    webp_quality: int = 85

    def fingerprint_parts(self, output: OutputFormat) -> list[Any]:
        """Return the settings that change the bytes of a result in ``output``."""
        if output == "jpeg":
            return [self.jpeg_quality, self.jpeg_subsampling]
        if output == "avif":
            return [AVIF_QUALITY]
        if output == "gif":
            return []
        return [self.webp_quality if output == "webp" else self.png_level]

    def quality(self, output: OutputFormat) -> int:
        """Return the quality of a lossy result whose request names none."""
        usual = {"jpeg": self.jpeg_quality, "webp": self.webp_quality, "avif": AVIF_QUALITY}
        return usual[output]


DEFAULT = EncoderSettings()
