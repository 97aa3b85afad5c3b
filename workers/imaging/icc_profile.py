"""ICC colour profiles: validate them and convert to sRGB."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""Pillow's name for samples by the colour space of a profile."""
_SPACE = slice(16, 20)  # of the header: the colour space of the samples (ICC.1:2022, 7.2.6)
_SIZE = slice(0, 4)  # of the header: the size of the whole profile (7.2.2)


def validated(icc: bytes | None) -> bytes | None:
    """Return the profile if colour engines can use it on samples that images have, else None.

    A broken one, one that is cut short, or one for another space (Lab) must not fail the image.
    """
    if not icc or icc[_SPACE] not in _MODES or len(icc) < int.from_bytes(icc[_SIZE], "big"):
        return None
    try:
        profile, srgb = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
        ImageCms.buildTransform(profile, srgb, _MODES[icc[_SPACE]], "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    return icc


def fits(icc: bytes, mode: str) -> bool:
    """Return whether a valid profile is for samples of Pillow's ``mode``: L, CMYK or colours."""
    return _MODES[icc[_SPACE]] == (mode if mode in {"L", "CMYK"} else "RGB")


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
