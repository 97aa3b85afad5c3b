"""Small files of every input format, and HEIF files put together by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
from PIL import Image

from models.images.inspect import InputFormat
from tests.support import images
from tests.support.paths import ROOT

SIDES = (40, 30)
_HEIC = ROOT / "tests" / "support" / "heic"
_BOX_HEAD_BYTES = 8


@cache
def heic(name: str = "plain") -> bytes:
    """Return a file of ``tests/support/heic``."""
    return (_HEIC / f"{name}.heic").read_bytes()


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x0112], made[0x013B] = orientation, "Ada"
    return made


def tiff16(samples: images.Pixels | np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    """Return an uncompressed TIFF of BGR or BGRA samples of 16 bits, which Pillow cannot write."""
    ok, data = cv2.imencode(".tif", samples, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert ok
    return bytes(data)


def avif_deep(samples: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], bits: int) -> bytes:
    """Return an AVIF of BGR or BGRA samples of 10 or 12 bits, almost without loss."""
    options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
    ok, data = cv2.imencode(".avif", samples, [*options, cv2.IMWRITE_AVIF_SPEED, 9])
    assert ok
    return bytes(data)


@cache
def samples() -> dict[InputFormat, list[bytes]]:
    """Return whole files of each format that INPUT_FORMATS may name beside PNG and JPEG."""
    plain = Image.fromarray(images.scene(*SIDES))
    turned = plain.rotate(180)
    masked = plain.copy()
    masked.putalpha(plain.getchannel("R"))
    deep = images.scene(*SIDES).astype(np.uint16) * 257
    several = {"save_all": True, "append_images": [turned]}
    encoded = images.encoded
    return {
        "webp": [
            encoded(plain, "WEBP"),
            encoded(masked, "WEBP", lossless=True, exif=exif(6)),
            encoded(plain, "WEBP", icc_profile=b"x" * 300),
            encoded(plain, "WEBP", **several),
        ],
        "gif": [encoded(plain.quantize(16), "GIF"), encoded(plain, "GIF", **several)],
        "avif": [
            encoded(plain, "AVIF", speed=9),
            encoded(masked, "AVIF", speed=9, exif=exif(6)),
            encoded(plain, "AVIF", speed=9, **several),
            avif_deep(np.asarray(deep >> 6, np.uint16), 10),
        ],
        "tiff": [
            encoded(plain, "TIFF"),
            encoded(masked, "TIFF", compression="tiff_lzw"),
            encoded(plain.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
            encoded(plain.convert("1"), "TIFF", compression="group4"),
            encoded(plain, "TIFF", compression="jpeg"),
            encoded(plain, "TIFF", exif=exif(6), big_tiff=True),
            encoded(plain.quantize(8), "TIFF", compression="packbits", **several),
            tiff16(deep),
        ],
        "bmp": [
            encoded(plain, "BMP"),
            encoded(plain.quantize(16), "BMP"),
            encoded(plain.convert("1"), "BMP"),
            rle_bmp(),
        ],
        "heic": [heic(name) for name in ("plain", "turned", "alpha", "ten", "two")] + [tiles()],
    }


def rle_bmp() -> bytes:
    """Return a BMP of 8 bits, run-length coded: five rows of two runs."""
    rows = b"".join(bytes((4, row, 4, 9, 0, 0)) for row in range(5)) + b"\0\1"
    palette = b"".join(bytes((n * 15, n * 10, n, 0)) for n in range(16))
    header = struct.pack("<IiiHHIIiiII", 40, 8, 5, 1, 8, 1, len(rows), 2835, 2835, 16, 0)
    offset = 14 + len(header) + len(palette)
    head = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    return head + header + palette + rows


@dataclass
class Item:
    """An item of a HEIF file: its kind, its data, and its properties as whole boxes."""

    kind: bytes
    data: bytes
    properties: Sequence[bytes] = field(default_factory=list)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", _BOX_HEAD_BYTES + len(body), kind) + body


def full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def heif(
    items: Sequence[Item],
    links: Sequence[tuple[bytes, int, Sequence[int]]] = (),
    brands: bytes = b"heic\0\0\0\0mif1heic",
) -> bytes:
    """Return a HEIF file of ``items``, which are numbered from 1; the first is the primary one.

    The others are hidden: no pictures of their own.
    ``links``: (kind, from, to) of references.
    """
    known: list[bytes] = []
    entries = b""
    for number, item in enumerate(items, 1):
        known += [each for each in item.properties if each not in known]
        places = bytes(1 + known.index(each) for each in item.properties)
        entries += struct.pack(">HB", number, len(places)) + places
    infos = []
    for number, item in enumerate(items, 1):
        body = struct.pack(">HH4sB", number, 0, item.kind, 0)
        infos.append(full_box(b"infe", body, version=2, flags=number > 1))
    refs = [box(k, struct.pack(f">HH{len(to)}H", at, len(to), *to)) for k, at, to in links]

    def meta(start: int) -> bytes:
        places = b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, start, len(item.data))
            start += len(item.data)
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iinf", struct.pack(">H", len(items)), *infos),
            full_box(b"iref", *refs) if refs else b"",
            box(
                b"iprp",
                box(b"ipco", *known),
                full_box(b"ipma", struct.pack(">I", len(items)), entries),
            ),
            full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)), places),
        )

    head = box(b"ftyp", brands)
    start = len(head) + len(meta(0)) + _BOX_HEAD_BYTES
    return head + meta(start) + box(b"mdat", *(item.data for item in items))


def ispe(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def property_of(data: bytes, kind: bytes) -> bytes:
    """Return the first box of ``kind`` in a HEIF file, by its name."""
    at = data.index(kind) - 4
    return data[at : at + int.from_bytes(data[at : at + 4])]


def coded() -> tuple[bytes, bytes]:
    """Return the ``hvcC`` box and the coded picture of ``plain.heic``, of 128 x 64 pixels."""
    data = heic()
    return property_of(data, b"hvcC"), property_of(data, b"mdat")[_BOX_HEAD_BYTES:]


def tiles(across: int = 2, down: int = 2, width: int = 250, height: int = 120) -> bytes:
    """Return a HEIC put together of tiles of 128 x 64 pixels, as cameras write them."""
    decoder, data = coded()
    tile = Item(b"hvc1", data, [decoder, ispe(128, 64)])
    grid = struct.pack(">BBBBHH", 0, 0, down - 1, across - 1, width, height)
    count = across * down
    links = [(b"dimg", 1, range(2, count + 2))]
    return heif([Item(b"grid", grid, [ispe(width, height)]), *[tile] * count], links)


def animated(kind: str) -> bytes:
    """Return two frames, or pages; the second is the first upside down."""
    plain = Image.fromarray(images.scene(*SIDES))
    return images.encoded(plain, kind, save_all=True, append_images=[plain.rotate(180)])


def opened(data: bytes) -> Image.Image:
    """Return what Pillow makes of ``data``, without our limits."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
