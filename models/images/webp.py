"""Walk the RIFF chunks of a WebP file: what it holds, and whether it is complete."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from models.errors import BadImage
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.structure import MAX_BLOCKS, MAX_EXIF_BYTES, Bytes, Facts, checked_size

_RIFF_HEADER_BYTES = 12  # signature, length, kind
_VP8_HEADER_BYTES = 10  # up to and including the size; the same for VP8X
_VP8L_HEADER_BYTES = 5
_SIDE_MASK = (1 << 14) - 1
_ALPHA_FLAG = 0x10  # of VP8X
_LOSSLESS_ALPHA = 1 << 28  # of the bits that begin with the size
_FRAME_HEADER_BYTES = 16


@dataclass
class _Walk:
    """What the chunks say: sizes of the canvas and of the last picture, (0, 0): not yet."""

    canvas: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    pictures: int = 0
    frames: int = 0
    has_alpha: bool = False
    profile_bytes: int = 0
    orientation: Orientation | None = None

    def read(self, kind: bytes, body: bytes, length: int) -> None:
        """Take a chunk; ``body``: its beginning, and of EXIF as much as is read."""
        if kind == b"VP8X" and len(body) >= _VP8_HEADER_BYTES:
            self.canvas = (1 + _little_endian(body[4:7]), 1 + _little_endian(body[7:10]))
            self.has_alpha |= bool(body[0] & _ALPHA_FLAG)
        elif kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) >= _VP8_HEADER_BYTES:
            sides = _little_endian(body[6:8]), _little_endian(body[8:10])
            self.size = (sides[0] & _SIDE_MASK, sides[1] & _SIDE_MASK)
            self.pictures += 1
        elif kind == b"VP8L" and body[:1] == b"\x2f" and len(body) >= _VP8L_HEADER_BYTES:
            bits = _little_endian(body[1:5])
            self.size = (1 + (bits & _SIDE_MASK), 1 + (bits >> 14 & _SIDE_MASK))
            self.has_alpha |= bool(bits & _LOSSLESS_ALPHA)
            self.pictures += 1
        elif kind == b"ANMF":
            self.frames += length > _FRAME_HEADER_BYTES
            self.has_alpha = True  # of what a frame leaves of its canvas
        elif kind == b"ICCP":
            self.profile_bytes = max(self.profile_bytes, length)
        elif kind == b"EXIF" and self.orientation is None:
            self.orientation = read_orientation(body)


def read_facts(data: Bytes) -> Facts:
    """Return what a WebP file (RFC 9649) holds: one picture, or an animation on its canvas.

    Bytes after its end are ignored, as those after other pictures.

    Raises:
        BadImage: the file ends early, holds no picture, or its chunks are broken.
    """
    end = _end(data)
    if end > len(data):
        raise BadImage(
            f"the WebP file is truncated: it says it has {end} bytes, and {len(data)} came; send "
            "all of it",
            limit=end,
            measured=len(data),
        )
    walk = _walk(data, end)
    if not walk.frames and walk.canvas not in {(0, 0), walk.size}:
        raise BadImage("the WebP file is broken: its picture does not fill its canvas")
    size = upright_size(*(walk.canvas if walk.frames else walk.size), walk.orientation or 1)
    pictures = walk.frames or walk.pictures == 1
    found = checked_size("WebP", size, pictures)
    channels = 4 if walk.has_alpha else 3
    return Facts(found, 8, channels, walk.profile_bytes, max(walk.frames, 1))


def read_size(data: Bytes, frames: int = 1) -> tuple[int, int]:
    """Return (width, height) of a WebP file of one picture that fills its canvas: of a result.

    ``frames``: that it may have at most, above 1 of an animation.

    Raises:
        BadImage: the file ends early or late, or holds anything else.
    """
    if len(data) < _RIFF_HEADER_BYTES or _end(data) != len(data):
        raise BadImage("the WebP file is truncated, or longer than it says; send all of it")
    walk = _walk(data, len(data))
    if frames > 1 and walk.frames:
        return checked_size("WebP", walk.canvas, walk.frames <= frames and not walk.pictures)
    if walk.canvas not in {(0, 0), walk.size}:
        raise BadImage("the WebP file is broken: its picture does not fill its canvas")
    return checked_size("WebP", walk.size, walk.pictures == 1)


def _end(data: Bytes) -> int:
    """Return where the RIFF header says that the file ends."""
    return 8 + _little_endian(data[4:8])


def _walk(data: Bytes, end: int) -> _Walk:
    at, walk = _RIFF_HEADER_BYTES, _Walk()
    for _ in range(MAX_BLOCKS):
        if at == end:
            return walk
        if at + 8 > end:
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        start, at = at + 8, at + 8 + length + length % 2
        if at > end:
            break
        most = MAX_EXIF_BYTES if kind == b"EXIF" else _VP8_HEADER_BYTES
        walk.read(kind, data[start : start + min(length, most)], length)
    raise BadImage("the WebP file is broken: its chunks do not end where it does")


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, "little")
