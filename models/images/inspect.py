"""Inspect an image file without decoding it: format, size, limits, completeness."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from models.errors import TooManyPixels, UnsupportedFormat
from models.images import avif, gif, jpeg, png, webp
from models.images.icc import jpeg_profile_bytes, png_profile_bytes
from models.images.signatures import SNIFFED_BYTES, name_of

InputFormat = Literal["png", "jpeg", "gif"]
"""Formats of inputs; GIF only on legacy routes."""
OutputFormat = Literal["png", "jpeg", "webp", "avif"]
"""Formats of results."""
ACCEPTED_FORMATS: tuple[InputFormat, ...] = ("png", "jpeg")
MEDIA_TYPES: dict[OutputFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
EXTENSIONS: dict[OutputFormat, str] = {
    "png": "png",
    "jpeg": "jpg",
    "webp": "webp",
    "avif": "avif",
}
FORMAT_BY_EXTENSION: dict[str, OutputFormat] = {
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "avif": "avif",
}
"""Output format by the suffix of a file name."""
MAX_SIDE_PIXELS: dict[OutputFormat, int] = {
    "png": 1_000_000,
    "jpeg": 65_500,
    "webp": 16_383,
    "avif": 32_768,
}
"""Longest side that libpng, libjpeg-turbo and libwebp can write, and that libavif reads."""

_READ_SIZE = {
    "png": png.read_size,
    "jpeg": jpeg.read_size,
    "gif": gif.read_size,
    "webp": webp.read_size,
    "avif": avif.read_size,
}
_SAMPLES: dict[str, tuple[int, int]] = {"jpeg": (8, 3), "gif": (8, 4)}


@dataclass(frozen=True)
class ImageHeader:
    """Header of an image file; sides in pixels, upright, after its EXIF orientation.

    ``depth``: bits a sample, 8 or 16; ``channels``: 1 to 4 with alpha, both of the decoded picture.
    They are read from PNGs; ``samples`` has them of every format. ``profile_bytes``: of its ICC
    profile, unpacked.
    """

    kind: InputFormat | OutputFormat
    width: int
    height: int
    depth: int = 16
    channels: int = 4
    profile_bytes: int = 0

    @property
    def samples(self) -> tuple[int, int]:
        """(depth, channels) of the decoded picture, at most."""
        return _SAMPLES.get(self.kind, (self.depth, self.channels))

    @property
    def format(self) -> OutputFormat:
        """Default format of results: that of the input, PNG for a GIF."""
        return "png" if self.kind == "gif" else self.kind


def sniff(
    start: bytes, accepted: Sequence[InputFormat | OutputFormat] = ACCEPTED_FORMATS
) -> InputFormat | OutputFormat:
    """Return the format of a file by its first bytes: ``SNIFFED_BYTES``, if it has as many.

    Raises:
        UnsupportedFormat: it is not in ``accepted``; the error names both.
    """
    named = name_of(start)
    for kind in accepted:
        if named.lower() == kind:
            return kind
    *others, last = (kind.upper() for kind in accepted)
    raise UnsupportedFormat(
        f"{f'the format of the file is {named}' if named else 'not an image'}, judged by its first "
        f"bytes; send {', '.join(others)}{' or ' if others else ''}{last}",
        measured=named or "unknown",
        accepted=list(accepted),
    )


class SupportsFileno(Protocol):
    """An open file on disk."""

    def fileno(self) -> int: ...


def inspect(
    file: SupportsFileno,
    accepted: Sequence[InputFormat | OutputFormat] = ACCEPTED_FORMATS,
    start: int = 0,
    size: int = 0,
) -> ImageHeader:
    """Return the header of the picture in ``file`` after checking that it is complete.

    The picture takes ``size`` bytes from ``start``, a multiple of ``mmap.ALLOCATIONGRANULARITY``;
    size 0: up to the end. Nothing is decoded: PNG chunks are walked with their CRCs, JPEG segments
    to the end of the picture, GIF blocks to the end mark, WebP chunks and AVIF boxes to
    the end. A large file
    takes some milliseconds: do not call it on the event loop.

    Raises:
        UnsupportedFormat: the format is not in ``accepted``, or a kind of JPEG that is not decoded.
        BadImage: the structure is broken or the file ends early.
    """
    if os.fstat(file.fileno()).st_size == start:
        sniff(b"", accepted)
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ, offset=start) as data:
        kind = sniff(data[:SNIFFED_BYTES], accepted)
        width, height = _READ_SIZE[kind](data)
        if kind == "png":
            samples = png.read_samples(data)
            return ImageHeader(kind, width, height, *samples, png_profile_bytes(data))
        profile = jpeg_profile_bytes(data) if kind == "jpeg" else 0
    return ImageHeader(kind, width, height, profile_bytes=profile)


def check_side(width: int, height: int, output: OutputFormat) -> None:
    """Check that the output format can hold a result of this size.

    Raises:
        TooManyPixels: a side is too long; the error names it, the limit and what would pass.
    """
    longest = max(width, height)
    if longest > MAX_SIDE_PIXELS[output]:
        fits = output != "png" and longest <= MAX_SIDE_PIXELS["png"]
        other = "; ask for format=png" if fits else ""
        raise TooManyPixels(
            f"the result would be {width} x {height}; {output.upper()} holds at most "
            f"{MAX_SIDE_PIXELS[output]} pixels a side{other}",
            limit=MAX_SIDE_PIXELS[output],
            measured=longest,
        )


def check_pixels(width: int, height: int, limit: int, *, what: str, setting: str) -> None:
    """Check that a picture has at most ``limit`` pixels.

    Raises:
        TooManyPixels: it has more; the error names the limit and the measured value.
    """
    if width * height > limit:
        raise TooManyPixels(
            f"{what}: {width} x {height} = {width * height} pixels; "
            f"at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=width * height,
        )
