"""Chunks of a PNG file that no library reads or writes for us."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from models.images.png import SIGNATURE_BYTES

_HEADER_END = 33  # of the signature and IHDR, which every PNG begins with
_STEP_BYTES = 1 << 20
_MAX_CHUNKS = 100_000


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read(path: Path, wanted: bytes, most: int) -> bytes | None:
    """Return the body of the first chunk ``wanted`` before the samples; None if there is none.

    At most ``most`` bytes of it.
    """
    with path.open("rb") as file:
        file.seek(SIGNATURE_BYTES)
        for _ in range(_MAX_CHUNKS):
            head = file.read(8)
            if len(head) < 8 or head[4:] == b"IDAT":
                return None
            length = int.from_bytes(head[:4], "big")
            if head[4:] == wanted:
                return file.read(min(length, most))
            file.seek(length + 4, 1)
    return None


def replace_header(path: Path, body: bytes) -> None:
    """Give the PNG at ``path`` an IHDR with ``body``."""
    with path.open("r+b") as file:
        file.seek(SIGNATURE_BYTES)
        file.write(chunk(b"IHDR", body))


def insert(path: Path, chunks: bytes) -> None:
    """Put ``chunks`` behind the header of the PNG at ``path``, in place: no second file is made."""
    if not chunks:
        return
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end > _HEADER_END:
            start = max(_HEADER_END, end - _STEP_BYTES)
            file.seek(start)
            data = file.read(end - start)
            file.seek(start + len(chunks))
            file.write(data)
            end = start
        file.seek(_HEADER_END)
        file.write(chunks)
