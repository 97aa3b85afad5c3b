"""How results are encoded: what a file's bytes depend on beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from models.images.inspect import Format

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]


@dataclass(frozen=True)
class Writing:
    """The encoders' settings; see the settings of the same names for what they cost.

    ``png_level`` 0 to 9; the qualities 1 to 100, for results whose operations name none.
    """

    png_level: int = 1
    jpeg_quality: int = 92
    jpeg_subsampling: Subsampling = "4:4:4"
    webp_quality: int = 85

    def mark(self, output: Format) -> list[Any]:
        """Return what the bytes of a result in ``output`` depend on."""
        if output == "jpeg":
            return [self.jpeg_quality, self.jpeg_subsampling]
        return [self.webp_quality if output == "webp" else self.png_level]


DEFAULT = Writing()
