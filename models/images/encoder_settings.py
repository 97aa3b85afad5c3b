"""Encoder settings of results: what a file's bytes depend on besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from models.images.inspect import OutputFormat

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
        return [self.webp_quality if output == "webp" else self.png_level]


DEFAULT = EncoderSettings()
