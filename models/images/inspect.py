"""What a picture file says of itself before anything is decoded: format, size, wholeness."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from models.errors import TooManyPixels, UnsupportedFormat
from models.images import structure

Kind = Literal["png", "jpeg", "gif"]
"""What may come in; GIF only where an older service took it."""
Format = Literal["png", "jpeg", "webp"]
"""What may go out."""
ACCEPTED: tuple[Kind, ...] = ("png", "jpeg")
MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
EXTENSIONS: dict[Format, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
FORMAT_OF: dict[str, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
"""What a file name's suffix asks for."""
MAX_SIDE: dict[Format, int] = {"png": 1_000_000, "jpeg": 65_500, "webp": 16_383}
"""Longest side that libpng, libjpeg-turbo and libwebp write, in pixels."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
)
_WALKS = {
    "png": structure.png,
    "jpeg": structure.jpeg,
    "gif": structure.gif,
    "webp": structure.webp,
}


@dataclass(frozen=True)
class Header:
    """What the header of a picture says; sides in pixels, upright, after its EXIF orientation.

    ``depth``: bits a sample, 8 or 16; ``channels``: 1 to 4, alpha among them, once it is decoded.
    They are read of PNGs, and are the most there is elsewhere.
    """

    kind: Kind | Format
    width: int
    height: int
    depth: int = 16
    channels: int = 4

    @property
    def format(self) -> Format:
        """The format results are written in unless another is asked for; of a GIF it is PNG."""
        return "png" if self.kind == "gif" else self.kind


def sniff(start: bytes, accepted: Sequence[Kind | Format] = ACCEPTED) -> Kind | Format:
    """Return the format that the first 16 bytes of a file name.

    Raises:
        UnsupportedFormat: none of ``accepted``; says what it looks like and what is accepted.
    """
    named = next((name for magic, name in _SIGNATURES if start.startswith(magic)), "")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        named = "WebP"
    for kind in accepted:
        if named.lower() == kind:
            return kind
    *others, last = (kind.upper() for kind in accepted)
    raise UnsupportedFormat(
        f"this looks like {named or 'no picture'}, judged by its first bytes; "
        f"send {', '.join(others)}{' or ' if others else ''}{last}",
        measured=named or "unknown",
        accepted=list(accepted),
    )


class Mapped(Protocol):
    """A file on disk, of which some bytes are a picture."""

    def fileno(self) -> int: ...


def inspect(
    file: Mapped, accepted: Sequence[Kind | Format] = ACCEPTED, start: int = 0, size: int = 0
) -> Header:
    """Return the header of the picture in ``file`` after checking that it is whole.

    It lies in ``size`` bytes from ``start``, a multiple of ``mmap.ALLOCATIONGRANULARITY``; 0: up to
    the end.
    Nothing is decoded: PNG chunks are walked with their CRCs, JPEG segments and GIF blocks up to
    the end mark, chunks of WebP to the end. Takes some milliseconds for a large file: call it off
    the event loop.

    Raises:
        UnsupportedFormat: none of ``accepted``.
        BadImage: the structure is broken or the file ends early.
    """
    if os.fstat(file.fileno()).st_size == start:
        sniff(b"", accepted)
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ, offset=start) as data:
        kind = sniff(data[:16], accepted)
        width, height = _WALKS[kind](data)
        if kind == "png":
            return Header(kind, width, height, *structure.samples(data))
    return Header(kind, width, height)


def check_side(width: int, height: int, output: Format) -> None:
    """Refuse a result that its format cannot hold.

    Raises:
        TooManyPixels: names the longer side, the limit and what would pass.
    """
    longest = max(width, height)
    if longest > MAX_SIDE[output]:
        fits = output != "png" and longest <= MAX_SIDE["png"]
        other = "; ask for format=png" if fits else ""
        raise TooManyPixels(
            f"the result would be {width} x {height}; {output.upper()} holds at most "
            f"{MAX_SIDE[output]} pixels a side{other}",
            limit=MAX_SIDE[output],
            measured=longest,
        )


def check_pixels(width: int, height: int, limit: int, *, what: str, setting: str) -> None:
    """Refuse a picture of more than ``limit`` pixels.

    Raises:
        TooManyPixels: names the limit, the measured value and what would pass.
    """
    if width * height > limit:
        raise TooManyPixels(
            f"{what}: {width} x {height} = {width * height} pixels; "
            f"at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=width * height,
        )
