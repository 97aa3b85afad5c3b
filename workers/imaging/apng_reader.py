"""Compose the frames of an animated PNG (third edition, 11.3.2.2 and 11.3.2.3).

Pillow decodes each as a PNG of its own: its composition mixes alpha as if it were a colour, so that
half-transparent parts would come out darker and more transparent than in browsers.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BadImage
from models.images import png
from models.images.structure import Bytes
from workers.imaging import codec, decoders
from workers.imaging.picture import Picture
from workers.imaging.png_chunks import chunk
from workers.imaging.png_writer import SIGNATURE

_CONTROL_BYTES = 26
_KEEP, _CLEAR, _RESTORE = 0, 1, 2  # what becomes of a frame when the next one comes
_OVER = 1  # how it is laid over what is there; 0: it replaces it
_BAND_ROWS = 128
_USUAL_PARTS = 100  # of a second, where the file says 0
_COLOURS = frozenset({b"PLTE", b"tRNS"})
"""Chunks that say what samples mean; those that change colours count for the whole animation."""


@dataclass(frozen=True)
class _Control:
    """What the chunk fcTL says of a frame."""

    box: tuple[int, int, int, int]  # x, y, width, height
    milliseconds: float
    disposal: int
    blend: int

    @classmethod
    def read(cls, body: bytes) -> _Control:
        if len(body) < _CONTROL_BYTES:
            raise ValueError("its chunk fcTL is too short")
        _, width, height, x, y, parts, whole, disposal, blend = struct.unpack_from(
            ">IIIIIHHBB", body
        )
        box = (x, y, width, height)
        return cls(box, 1000 * parts / (whole or _USUAL_PARTS), disposal, blend)


def read_frames(path: Path, size: tuple[int, int], gray: bool) -> Iterator[tuple[Picture, float]]:
    """Yield (canvas, milliseconds) of each frame of the PNG at ``path``, of 8 bits a sample.

    ``size``: (width, height) of the canvas, as stored. Colours are as stored, too. ``gray``:
    whether they are.

    Raises:
        BadImage: a frame reaches past the canvas. ValueError, OSError, SyntaxError: it is broken.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for canvas, milliseconds in _compose(data, size):
            alpha = canvas[:, :, 3]
            pixels = canvas[:, :, 0] if gray else canvas[:, :, :3]
            opaque = bool((alpha == 255).all())
            yield Picture(pixels.copy(), None if opaque else alpha.copy()), milliseconds


def _compose(data: Bytes, size: tuple[int, int]) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Yield (canvas, milliseconds); a canvas is (h, w, 4) BGRA, and holds until the next."""
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    for control, file in _split(data):
        x, y, width, height = control.box
        if min(width, height) < 1 or x + width > size[0] or y + height > size[1]:
            raise BadImage(f"a frame reaches past its canvas of {size[0]} x {size[1]}")
        with decoders.open_image(io.BytesIO(file), width * height) as opened:
            stored = str(opened.tile[0].args) if opened.tile else ""
            opened.load()
            frame = _with_alpha(codec.read_pixels(opened, stored, None))
        place = (slice(y, y + height), slice(x, x + width))
        before = canvas[place].copy() if control.disposal == _RESTORE else None
        if control.blend == _OVER:
            for top in range(0, height, _BAND_ROWS):  # intermediates take many times their pixels
                rows = slice(top, top + _BAND_ROWS)
                canvas[place][rows] = _over(frame[rows], canvas[place][rows])
        else:
            canvas[place] = frame
        yield canvas, control.milliseconds
        if control.disposal == _CLEAR:
            canvas[place] = 0
        elif before is not None:
            canvas[place] = before


def _split(data: Bytes) -> Iterator[tuple[_Control, bytes]]:
    """Yield each frame with a PNG that holds it alone."""
    header, colours = b"", b""
    control: _Control | None = None
    parts: list[bytes] = []
    for each in png.read_chunks(data):
        start, end = each.start + 8, each.end - 4
        if each.kind == b"IHDR":
            header = data[start:end]
        elif each.kind in _COLOURS and each.sound and not parts:
            colours += chunk(each.kind, data[start:end])
        elif each.kind in {b"fcTL", b"IEND"}:
            if control is not None:
                yield control, _alone(header, colours, control, parts)
                parts = []
            control = _Control.read(data[start:end]) if each.kind == b"fcTL" else None
        elif each.kind in {b"IDAT", b"fdAT"} and control is not None:
            if not each.sound:
                raise ValueError("the checksum of its samples is wrong")
            parts.append(data[start + (4 if each.kind == b"fdAT" else 0) : end])


def _alone(header: bytes, colours: bytes, control: _Control, parts: list[bytes]) -> bytes:
    sides = struct.pack(">II", *control.box[2:])
    samples = chunk(b"IDAT", b"".join(parts))
    whole = chunk(b"IHDR", sides + header[8:])
    return b"".join((SIGNATURE, whole, colours, samples, chunk(b"IEND", b"")))


def _with_alpha(picture: Picture) -> NDArray[np.uint8]:
    """Return (h, w, 4) BGRA."""
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if alpha is None:
        alpha = np.full(pixels.shape[:2], 255, np.uint8)
    return np.dstack([pixels, alpha]).astype(np.uint8, copy=False)


def _over(frame: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``frame`` laid over ``below``, both (h, w, 4) BGRA with plain colours."""
    plain = (frame[:, :, 3] == 255) | (below[:, :, 3] == 0)
    made = np.where(plain[:, :, None], frame, below)
    mixed = ~plain & (frame[:, :, 3] > 0)
    if mixed.any():
        top, ground = frame[mixed].astype(np.float32), below[mixed].astype(np.float32)
        share = top[:, 3:] / 255
        rest = ground[:, 3:] / 255 * (1 - share)
        alpha = share + rest
        made[mixed, :3] = np.rint((top[:, :3] * share + ground[:, :3] * rest) / alpha)
        made[mixed, 3] = np.rint(alpha[:, 0] * 255)
    return made
