"""ICC colour profiles: validate them and convert to sRGB."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

_KNOWN_SPACES = {b"RGB ", b"GRAY", b"CMYK"}
_SPACE = slice(16, 20)  # of the header: the colour space of the samples (ICC.1:2022, 7.2.6)


def validated(icc: bytes | None) -> bytes | None:
    """Return the profile if it is valid and for samples that images have, else None.

    A broken one, or one for another space (Lab), must not fail the image.
    """
    if not icc or icc[_SPACE] not in _KNOWN_SPACES:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None
    return icc


def is_gray(icc: bytes) -> bool:
    """Return whether the profile is for gray samples."""
    return icc[_SPACE] == b"GRAY"


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert an RGB, CMYK or L image to sRGB (mode RGB), through ``icc`` if it fits, else
    directly.

    A profile that is broken or for other samples must not fail the image.
    """
    if icc is not None:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            through = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            through = None
        if through is not None:
            return through
    return image.convert("RGB")
