"""Inspect an image file without decoding it: format, size, limits, completeness."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Literal, Protocol, get_args

from models.errors import TooManyPixels, UnsupportedFormat
from models.images import avif, bmp, gif, heif, jpeg, png, tiff, webp
from models.images.icc import jpeg_profile_bytes, png_profile_bytes
from models.images.signatures import SNIFFED_BYTES, name_of
from models.images.structure import Bytes, Facts

InputFormat = Literal["png", "jpeg", "webp", "gif", "avif", "tiff", "bmp", "heic"]
"""Formats of inputs: INPUT_FORMATS says which of them a service takes."""
OutputFormat = Literal["png", "jpeg", "webp", "avif", "gif"]
"""Formats of results; GIF only of animations."""
ANIMATED_FORMATS: tuple[OutputFormat, ...] = ("webp", "gif", "png")
"""Those that hold an animation."""
ACCEPTED_FORMATS: tuple[InputFormat, ...] = ("png", "jpeg")
"""The default, and all that the calls of older services take, but for GIF where they took it."""
INPUT_MEDIA_TYPES: dict[InputFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "heic": "image/heic",
}
MEDIA_TYPES: dict[OutputFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}
EXTENSIONS: dict[OutputFormat, str] = {
    "png": "png",
    "jpeg": "jpg",
    "webp": "webp",
    "avif": "avif",
    "gif": "gif",
}
FORMAT_BY_EXTENSION: dict[str, OutputFormat] = {
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "avif": "avif",
}
"""Output format by the suffix of a file name; of still pictures."""
RESULT_FORMATS: dict[str, OutputFormat] = {**FORMAT_BY_EXTENSION, "gif": "gif"}
"""By the word that a request says."""
MAX_SIDE_PIXELS: dict[OutputFormat, int] = {
    "png": 1_000_000,
    "jpeg": 65_500,
    "webp": 16_383,
    "avif": 32_768,
    "gif": 65_535,
}
"""Longest side that libpng, libjpeg-turbo and libwebp can write, that libavif reads, and that the
head of a GIF can say."""

_READ_RESULT_SIZE: dict[OutputFormat, Callable[[Bytes, int], tuple[int, int]]] = {
    "png": png.read_result_size,
    "jpeg": lambda data, _: jpeg.read_size(data),
    "webp": webp.read_size,
    "avif": lambda data, _: avif.read_size(data),
    "gif": gif.read_size,
}
_READ_FACTS: dict[str, Callable[[Bytes], Facts]] = {
    "webp": webp.read_facts,
    "gif": gif.read_facts,
    "avif": partial(heif.read_facts, name="AVIF"),
    "tiff": tiff.read_facts,
    "bmp": bmp.read_facts,
    "heic": partial(heif.read_facts, name="HEIC"),
}
_SAMPLES: dict[str, tuple[int, int]] = {"jpeg": (8, 3)}


@dataclass(frozen=True)
class ImageHeader:
    """Header of an image file; sides in pixels, upright, after its EXIF orientation.

    ``depth``: bits a sample, 8 or 16; ``channels``: 1 to 4 with alpha, both of the decoded picture.
    ``samples`` has them of every format: in the header of a JPEG they are not looked for.
    ``profile_bytes``: of its ICC profile, unpacked. ``frames``: of a GIF, WebP or PNG; above 1 it
    is animated.
    """

    kind: InputFormat
    width: int
    height: int
    depth: int = 16
    channels: int = 4
    profile_bytes: int = 0
    frames: int = 1

    @property
    def samples(self) -> tuple[int, int]:
        """(depth, channels) of the decoded picture, at most."""
        return _SAMPLES.get(self.kind, (self.depth, self.channels))

    @property
    def format(self) -> OutputFormat:
        """Default format of results: that of the input if results may have it.

        Of others PNG, without a loss; JPEG of a HEIC, which cameras write, unless it has alpha.
        """
        if self.kind in MEDIA_TYPES and self.kind != "gif":
            return self.kind
        return "jpeg" if self.kind == "heic" and self.channels < 4 else "png"


def sniff(start: bytes, accepted: Sequence[InputFormat] = ACCEPTED_FORMATS) -> InputFormat:
    """Return the format of a file by its first bytes: ``SNIFFED_BYTES``, if it has as many.

    Raises:
        UnsupportedFormat: it is not in ``accepted``; the error names both.
    """
    named = name_of(start)
    for kind in accepted:
        if named.lower() == kind or _may_be(named, kind):
            return kind
    raise UnsupportedFormat(
        f"{f'the format of the file is {named}' if named else 'not an image'}, judged by its first "
        f"bytes; send {names_of(accepted)}",
        measured=named or "unknown",
        accepted=list(accepted),
    )


def _may_be(named: str, kind: InputFormat) -> bool:
    """Return whether what ``name_of`` calls ``named`` may be of ``kind``: its walk tells."""
    return (kind == "heic" and named == "HEIF") or (kind == "tiff" and named.startswith("TIFF or"))


def decoded_formats() -> tuple[InputFormat, ...]:
    """Return the formats that workers on this machine can decode: HEIC needs pi-heif, an extra."""
    kinds: tuple[InputFormat, ...] = get_args(InputFormat)
    return tuple(kind for kind in kinds if kind != "heic" or find_spec("pi_heif") is not None)


def file_types(kinds: Sequence[InputFormat]) -> str:
    """Return the ``accept`` attribute of a file input: few systems know the media type of HEIC."""
    types = [INPUT_MEDIA_TYPES[kind] for kind in kinds]
    return ",".join([*types, *((".heic", ".heif") if "heic" in kinds else ())])


def names_of(kinds: Sequence[InputFormat | OutputFormat]) -> str:
    """Return the formats as alternatives, e.g. ``PNG, JPEG or GIF``."""
    *others, last = (kind.upper() for kind in kinds)
    return f"{', '.join(others)}{' or ' if others else ''}{last}"


class SupportsFileno(Protocol):
    """An open file on disk."""

    def fileno(self) -> int: ...


def inspect(
    file: SupportsFileno,
    accepted: Sequence[InputFormat] = ACCEPTED_FORMATS,
    start: int = 0,
    size: int = 0,
) -> ImageHeader:
    """Return the header of the picture in ``file`` after checking that it is complete.

    The picture takes ``size`` bytes from ``start``, a multiple of ``mmap.ALLOCATIONGRANULARITY``;
    size 0: up to the end. Nothing is decoded: PNG chunks are walked with their CRCs, JPEG segments
    to the end of the picture, GIF blocks to the end mark, WebP chunks to the end, the boxes of an
    AVIF or HEIC and the first directory of a TIFF with the places of all data. A large file takes
    some milliseconds: do not call it on the event loop.

    Raises:
        UnsupportedFormat: the format is not in ``accepted``, or a kind of it that is not decoded.
        BadImage: the structure is broken or the file ends early.
    """
    if os.fstat(file.fileno()).st_size == start:
        sniff(b"", accepted)
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ, offset=start) as data:
        kind = sniff(data[:SNIFFED_BYTES], accepted)
        if kind == "png":
            sides, samples = png.read_size(data), png.read_samples(data)
            profile, frames = png_profile_bytes(data), png.read_frames(data)
            return ImageHeader(kind, *sides, *samples, profile, frames)
        if kind == "jpeg":
            sides = jpeg.read_size(data)
            return ImageHeader(kind, *sides, profile_bytes=jpeg_profile_bytes(data))
        found = _READ_FACTS[kind](data)
        samples = found.depth, found.channels
        return ImageHeader(kind, *found.size, *samples, found.profile_bytes, found.frames)


def result_size(file: SupportsFileno, output: OutputFormat, frames: int = 1) -> tuple[int, int]:
    """Return (width, height) of the result in ``file``: as ``inspect``, but stricter.

    A WebP or AVIF is one picture that fills its canvas upright, and nothing follows it; a WebP may
    have ``frames`` instead, or fewer, since its encoder joins equal ones.

    Raises:
        UnsupportedFormat: it is of another format. BadImage: it is broken or ends early.
    """
    if os.fstat(file.fileno()).st_size == 0:
        sniff(b"", (output,))
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        sniff(data[:SNIFFED_BYTES], (output,))
        return _READ_RESULT_SIZE[output](data, frames)


def check_side(width: int, height: int, output: OutputFormat) -> None:
    """Check that the output format can hold a result of this size.

    Raises:
        TooManyPixels: a side is too long; the error names it, the limit and what would pass.
    """
    longest = max(width, height)
    if longest > MAX_SIDE_PIXELS[output]:
        fits = output not in {"png", "gif"} and longest <= MAX_SIDE_PIXELS["png"]
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
