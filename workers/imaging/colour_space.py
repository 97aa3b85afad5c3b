"""The colour space of a file, by whatever means it says it, and how its samples become usable.

Of several means one counts: in a PNG cICP, then an ICC profile, sRGB, and gAMA with cHRM (PNG
specification, third edition, clause 4.3); in AVIF and HEIC an ICC profile, then their code points;
elsewhere an ICC profile, then EXIF.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.imaging import (
    cicp,
    exif_block,
    hdr,
    heif_file,
    icc_profile,
    matrix_profile,
    notes,
    png_chunks,
)
from workers.imaging.matrix_profile import SRGB, Curve, Primaries
from workers.imaging.picture import Picture, Samples

_DISPLAY_GAMMA = 2.2
_SRGB_TOLERANCE = 0.05  # a product this near to 1 is sRGB's own, as most programs write it
_MIN_GAMMA, _MAX_GAMMA = 0.01, 10.0  # others are ignored, as in browsers
_PRIMARIES_TOLERANCE = 0.002  # of chromaticities: programs round them to two or three digits
_CICP_BYTES = 5  # one more than there should be: too long is not four


@dataclass(frozen=True)
class ColourSpace:
    """A profile that fits the samples, and what changes them; no profile: they are sRGB then.

    ``power``: to which samples from 0 to 1 are raised. ``coded``: by these they are converted, or
    widened to the full range.
    """

    icc: bytes | None = None
    power: float | None = None
    coded: cicp.CodePoints | None = None
    notes: tuple[str, ...] = ()

    def apply(self, picture: Picture) -> Picture:
        """Return ``picture`` with the samples changed; alpha is not."""
        pixels = picture.pixels
        if self.power is not None:
            pixels = _through(pixels, _shares(pixels) ** self.power)
        elif self.coded is not None and self.coded.curve is None:
            pixels = hdr.to_srgb(pixels, self.coded)
        elif self.coded is not None and not self.coded.full:
            pixels = _through(pixels, hdr.widened(picture.max_value))
        return picture if pixels is picture.pixels else replace(picture, pixels=pixels)


def read(file: Image.Image, path: Path, exif: bytes, gray: bool) -> ColourSpace:
    """Return the colour space of ``file``, the loaded picture at ``path`` with that EXIF block.

    ``gray``: whether its samples are, which its mode does not say in each case.
    """
    profile = _of_profile(file, gray)
    if file.format == "PNG":
        chunk = png_chunks.read(path, b"cICP", _CICP_BYTES)
        coded = None if chunk is None else cicp.interpret(chunk)
        if coded is not None:
            return _of_code_points(coded, gray, "icc_profile" in file.info)
        if chunk is not None:
            profile = replace(profile, notes=(*profile.notes, notes.CICP_UNKNOWN))
        if profile.icc is None and "srgb" not in file.info:
            return _of_gamma(file.info, gray, profile.notes)
    elif profile.icc is None and (layout := heif_file.layout_of(file, path)):
        points = heif_file.code_points(layout)
        coded = None if points is None else cicp.interpret(points)
        if coded is not None:
            found = _of_code_points(coded, gray, beside_profile=False)
            return replace(found, notes=(*profile.notes, *found.notes))
        if points is not None:
            profile = replace(profile, notes=(*profile.notes, notes.CICP_UNKNOWN))
    elif profile.icc is None and file.mode == "RGB" and exif_block.is_adobe_rgb(exif):
        icc = matrix_profile.rgb_profile(
            "Adobe RGB (1998)", matrix_profile.ADOBE_RGB, matrix_profile.ADOBE_RGB_CURVE
        )
        return replace(profile, icc=icc)
    return profile


def _of_profile(file: Image.Image, gray: bool) -> ColourSpace:
    """Return the embedded profile; a note says why it is dropped if it is."""
    if "icc_profile" not in file.info:
        return ColourSpace()
    icc = icc_profile.validated(file.info["icc_profile"])
    if icc is None:
        return ColourSpace(notes=(notes.PROFILE_BROKEN,))
    if not icc_profile.fits(icc, "L" if gray else file.mode):
        return ColourSpace(notes=(notes.PROFILE_MISFIT,))
    return ColourSpace(icc)


def _of_code_points(coded: cicp.CodePoints, gray: bool, beside_profile: bool) -> ColourSpace:
    said: tuple[str, ...] = (notes.PROFILE_OVERRULED,) if beside_profile else ()
    if coded.curve is None:
        return ColourSpace(coded=coded, notes=(*said, notes.HDR.format(coded.system)))
    said += () if coded.full else (notes.NARROW_RANGE,)
    icc = None
    if gray and coded.curve != matrix_profile.SRGB_CURVE:
        icc = matrix_profile.gray_profile(coded.name, coded.curve)
    elif not gray and not coded.is_srgb:
        icc = matrix_profile.rgb_profile(coded.name, coded.primaries, coded.curve)
    return ColourSpace(icc, coded=coded, notes=said)


def _of_gamma(info: Mapping[Any, Any], gray: bool, said: tuple[str, ...]) -> ColourSpace:
    """Return the space of gAMA and cHRM: a profile with other primaries, else sRGB.

    Samples of another gamma are then taken to sRGB (PNG specification, 13.13).
    """
    gamma, primaries = info.get("gamma"), None if gray else _primaries(info)
    if not isinstance(gamma, float) or not _MIN_GAMMA <= gamma <= _MAX_GAMMA:
        lost = (notes.PRIMARIES_ALONE,) if primaries is not None else ()
        return ColourSpace(notes=(*said, *lost))
    if primaries is not None:
        icc = matrix_profile.rgb_profile("PNG gAMA and cHRM", primaries, Curve(1 / gamma))
        if icc is not None:
            return ColourSpace(icc, notes=said)
        said = (*said, notes.PRIMARIES_BROKEN)
    if abs(gamma * _DISPLAY_GAMMA - 1) <= _SRGB_TOLERANCE:
        return ColourSpace(notes=said)
    return ColourSpace(power=1 / (gamma * _DISPLAY_GAMMA), notes=(*said, notes.GAMMA))


def _primaries(info: Mapping[Any, Any]) -> Primaries | None:
    """Return the primaries of cHRM, unless they are sRGB's."""
    numbers = info.get("chromaticity")
    if not isinstance(numbers, tuple) or len(numbers) != 8:
        return None
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    found = Primaries(red, green, blue, white)
    return None if found.is_near(SRGB, _PRIMARIES_TOLERANCE) else found


def _shares(pixels: Samples) -> NDArray[np.float64]:
    """Return what each sample is of the maximum, 0 to 1."""
    maximum = np.iinfo(pixels.dtype).max
    return np.arange(maximum + 1) / maximum


def _through(pixels: Samples, shares: NDArray[np.float64]) -> Samples:
    """Return ``pixels`` (any shape, uint8 or uint16) through a table of shares of the maximum."""
    table = np.rint(np.iinfo(pixels.dtype).max * shares).astype(pixels.dtype)
    return np.asarray(cv2.LUT(pixels, table), pixels.dtype)
