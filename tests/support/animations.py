"""Animations for tests: a square that moves, on a plain or an empty ground."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support import images

DURATIONS = (40, 80, 120, 0, 200)
"""Milliseconds of the frames of ``moving``."""
SIDES = (40, 30)


def canvases(empty: bool = False, count: int = len(DURATIONS)) -> list[NDArray[np.uint8]]:
    """Return (30, 40, 4) RGBA canvases; ``empty``: the ground is transparent."""
    found = []
    for number in range(count):
        canvas = np.zeros((SIDES[1], SIDES[0], 4), np.uint8)
        if not empty:
            canvas[:] = (20, 90, 200, 255)
        left = number * 4 % 28
        canvas[5:15, left : left + 10] = (250, number * 20 % 256, 3, 255)
        found.append(canvas)
    return found


def moving(kind: str, empty: bool = False, count: int = len(DURATIONS), **other: Any) -> bytes:
    """Return an animation of ``canvases``, lossless, in GIF, WEBP or PNG."""
    made = [Image.fromarray(canvas) for canvas in canvases(empty, count)]
    options: dict[str, Any] = {"duration": list(DURATIONS[:count]), "loop": 3}
    options |= {"disposal": 2} if kind == "GIF" else {}
    options |= {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return images.encoded(made[0], kind, save_all=True, append_images=made[1:], **options, **other)


def frames(data: bytes) -> list[tuple[NDArray[np.uint8], int | None]]:
    """Return the canvas of each frame, (h, w, 4) RGBA, and its milliseconds, as Pillow reads them.

    Hidden pixels are 0.
    """
    found = []
    with Image.open(io.BytesIO(data)) as file:
        before = int(bool(getattr(file, "default_image", False)))
        for number in range(before, getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            canvas = np.array(file.convert("RGBA"))
            canvas[canvas[:, :, 3] == 0] = 0
            found.append((canvas, file.info.get("duration")))
    return found


def plays(data: bytes) -> int:
    """Return how often the animation is played, 0 without end."""
    with Image.open(io.BytesIO(data)) as file:
        loop = file.info.get("loop")
        if file.format != "GIF":
            return int(loop or 0)
        return 1 if loop is None else loop and int(loop) + 1


def bomb(count: int, width: int = 100, height: int = 100) -> bytes:
    """Return a GIF whose frames of one colour take some bytes each; large ones are not whole."""
    if width * height > 10_000:
        head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
        frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
        return head + frame * count + b";"
    one = images.encoded(Image.new("P", (width, height)), "GIF")
    start = one.index(b",", 13 + (3 << (one[10] & 7) + 1 if one[10] & 0x80 else 0))
    return one[:start] + one[start:-1] * count + b";"


def composed_png(
    sides: tuple[int, int],
    parts: list[tuple[tuple[int, int, int, int], tuple[int, int, int, int], int, int]],
) -> bytes:
    """Return an animated PNG by hand, of parts: (x, y, width, height), RGBA, disposal, blend.

    The first one is stored with the size of the canvas, and what lies beside its part is empty.
    """
    header = struct.pack(">IIBBBBB", *sides, 8, 6, 0, 0, 0)
    found = [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header)]
    found.append(png_chunk(b"acTL", struct.pack(">II", len(parts), 0)))
    number = 0
    for (x, y, width, height), colour, disposal, blend in parts:
        canvas = np.zeros((sides[1], sides[0], 4), np.uint8)
        canvas[y : y + height, x : x + width] = colour
        place = (width, height, x, y) if number else (*sides, 0, 0)
        pixels = canvas[y : y + height, x : x + width] if number else canvas
        rows = np.insert(pixels.reshape(len(pixels), -1), 0, 0, axis=1)
        data = zlib.compress(rows.tobytes())
        control = struct.pack(">IIIIIHHBB", number, *place, 1, 10, disposal, blend)
        found.append(png_chunk(b"fcTL", control))
        if number:
            found.append(png_chunk(b"fdAT", struct.pack(">I", number + 1) + data))
        else:
            found.append(png_chunk(b"IDAT", data))
        number += 2 if number else 1
    return b"".join([*found, png_chunk(b"IEND", b"")])


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def said_frames(png: bytes, number: int) -> bytes:
    """Return an animated PNG that says it has ``number`` frames."""
    at = png.index(b"acTL") - 4
    return png[:at] + png_chunk(b"acTL", struct.pack(">II", number, 0)) + png[at + 20 :]
