"""What a picture file says of itself before anything is decoded: format, size, wholeness."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

from PIL import Image

from models.errors import BadImage, TooManyPixels, UnsupportedFormat

# Pillow would warn of, or refuse, large headers by a limit of its own; check_pixels and
# workers.codec hold pictures to ours, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

Format = Literal["png", "jpeg"]
MEDIA_TYPES: dict[str, str] = {"png": "image/png", "jpeg": "image/jpeg"}
EXTENSIONS: dict[str, str] = {"png": "png", "jpeg": "jpg"}

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
)

# In JPEG's entropy-coded data FF is followed by 00 or a restart marker; all else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)


@dataclass(frozen=True)
class Header:
    """What the header of a picture says; sides in pixels, before any orientation is applied."""

    format: Format
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def sniff(start: bytes) -> Format:
    """Return the format that the first 16 bytes of a file name.

    Raises:
        UnsupportedFormat: neither PNG nor JPEG.
    """
    named = next((name for magic, name in _SIGNATURES if start.startswith(magic)), "")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        named = "WebP"
    if named == "png":
        return "png"
    if named == "jpeg":
        return "jpeg"
    raise UnsupportedFormat(
        f"this looks like {named or 'no picture'}, judged by its first bytes; send PNG or JPEG",
        measured=named or "unknown",
        accepted=["png", "jpeg"],
    )


def inspect(file: BinaryIO) -> Header:
    """Return the header of the picture in ``file`` after checking that it is whole.

    Nothing is decoded: PNG chunks are walked with their CRCs, JPEG segments up to the end marker.
    Works on a whole file and may take tens of milliseconds: call it off the event loop.

    Raises:
        UnsupportedFormat: neither PNG nor JPEG.
        BadImage: the header is broken or the file ends early.
    """
    file.seek(0)
    kind = sniff(file.read(16))
    try:
        file.seek(0)
        with Image.open(file, formats=[kind.upper()]) as picture:
            header = Header(kind, *picture.size)
            if kind == "png":
                picture.verify()
    except Exception as error:  # Pillow's readers raise many kinds on hostile bytes
        raise BadImage(f"the {kind.upper()} file is broken or truncated: {error}") from None
    if kind == "jpeg":
        _check_jpeg_is_whole(file)
    return header


def _check_jpeg_is_whole(file: BinaryIO) -> None:
    """Walk the segments of a JPEG file to its end marker (ITU-T T.81, annex B.1.1.3)."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 2
        scans = 0
        while at + 4 <= len(data) + 2:
            if data[at : at + 1] != b"\xff":
                break
            marker = data[at + 1] if at + 1 < len(data) else 0
            if marker == 0xFF:  # fill byte
                at += 1
            elif marker == 0xD9:
                if scans:
                    return
                break
            elif marker == 0xDA:
                scans += 1
                found = _SCAN_END.search(data, at + 2)
                if found is None:
                    break
                at = found.start()
            elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
                at += 2
            else:
                at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise BadImage("the JPEG file is truncated: its end marker is missing; send the whole file")


def check_pixels(width: int, height: int, limit: int, *, what: str, setting: str) -> None:
    """Refuse a picture of more than ``limit`` pixels.

    Raises:
        TooManyPixels: names the limit, the measured value and what would pass.
    """
    if width * height > limit:
        raise TooManyPixels(
            f"{what} would have {width} x {height} = {width * height} pixels; "
            f"at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=width * height,
        )
