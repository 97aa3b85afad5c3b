"""Settings: encoders of results. Change them for all programs together."""

from __future__ import annotations

from pydantic import Field

from models.images.encoder_settings import DEFAULT, EncoderSettings, Subsampling
from models.settings.group import Group


class EncodingSettings(Group):
    """Encoders of results: the same for services and workers; a change makes new tasks."""

    png_level: int = Field(
        DEFAULT.png_level,
        ge=0,
        le=9,
        description="Compression of PNG. 0: none; 1: photographs fast; from 2: photographs by run "
        "lengths, which take more than twice as long for 5 % fewer bytes. Flat pictures are "
        "compressed by zlib-ng's level 5; 6 to 9: by these.",
    )
    jpeg_quality: int = Field(
        DEFAULT.jpeg_quality,
        ge=1,
        le=100,
        description="Quality of a JPEG if the request names none; above 92 files grow fast "
        "without a visible difference.",
    )
    jpeg_subsampling: Subsampling = Field(
        DEFAULT.jpeg_subsampling,
        description="Colour resolution of JPEG: 4:4:4, 4:2:2 or 4:2:0, whose files are a fifth "
        "smaller and smear red edges.",
    )
    webp_quality: int = Field(
        DEFAULT.webp_quality,
        ge=1,
        le=100,
        description="Quality of a WebP if the request names none; it may also name lossless.",
    )

    @property
    def encoder_settings(self) -> EncoderSettings:
        """These settings without their names in the environment, as a child process gets them."""
        return EncoderSettings(**self.model_dump())
