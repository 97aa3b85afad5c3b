"""Chunks of a PNG file that no library reads or writes for us."""

from __future__ import annotations

import struct
from pathlib import Path

from isal import isal_zlib

from models.images.png import SIGNATURE_BYTES

_MAX_CHUNKS = 100_000


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = isal_zlib.crc32(body, isal_zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)))


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
