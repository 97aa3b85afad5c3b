"""EXIF orientation: service and decoder agree on sizes, and malformed blocks cost little."""

from __future__ import annotations

import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import AppError
from models.images.exif import read_orientation, upright_size
from models.images.inspect import inspect
from models.operations import parse
from tests.support import images
from workers.imaging import codec


def look(data: bytes) -> tuple[int, int]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        header = inspect(file)
        return header.width, header.height


def block(value: int = 6, order: str = "<", kind: int = 3, count: int = 1, at: int = 8) -> bytes:
    """Return an EXIF block by hand: another tag, then the orientation."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    form = {1: "B3x", 3: "H2x", 4: "I"}.get(kind, "I")
    entries = struct.pack(f"{order}HHII", 0x0100, 4, 1, 40)
    entries += struct.pack(f"{order}HHI{form}", 0x0112, kind, count, value)
    head = start + struct.pack(f"{order}I", at) + bytes(at - 8)
    return b"Exif\0\0" + head + struct.pack(f"{order}H", 2) + entries + bytes(4)


def in_jpeg(exif: bytes, whole: bytes | None = None) -> bytes:
    whole = images.jpeg(41, 29) if whole is None else whole
    return whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + whole[2:]


def in_png(exif: bytes, *, late: bool = False) -> bytes:
    whole = images.png(41, 29)
    body = b"eXIf" + exif
    chunk = len(exif).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    at = len(whole) - 12 if late else 33
    return whole[:at] + chunk + whole[at:]


def agreed_size(tmp_path: Path, data: bytes) -> tuple[int, int]:
    """Return the size that service and decoder agree on."""
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert codec.decode(path, 10**6).size == look(data)
    return look(data)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_sizes_follow_the_orientation_that_pillow_writes(
    tmp_path: Path, value: int, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    for options in ({}, {"progressive": True} if kind == "JPEG" else {}):
        data = images.encoded(Image.fromarray(images.scene(41, 29)), kind, exif=exif, **options)
        assert agreed_size(tmp_path, data) == ((29, 41) if value >= 5 else (41, 29))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("at", [8, 50, 60_000])
def test_every_encoding_of_the_tag_is_read(tmp_path: Path, order: str, kind: int, at: int) -> None:
    exif = block(8, order, kind, at=at)
    assert read_orientation(exif) == read_orientation(exif[6:]) == 8
    assert agreed_size(tmp_path, in_jpeg(exif)) == (29, 41)
    assert agreed_size(tmp_path, in_png(exif[6:])) == (29, 41)
    assert agreed_size(tmp_path, in_png(exif[6:], late=True)) == (29, 41)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0XX*\0\x08\0\0\0",
        block(0),
        block(9),
        block(65535),
        block(6, kind=2),
        block(6, kind=5),
        block(6, count=0),
        block(6, count=2**32 - 1),
        block(6)[:-12],
        block(6).replace(b"\x12\x01", b"\x13\x01"),
        block(6, at=65_600),
    ],
)
def test_malformed_blocks_count_as_upright(tmp_path: Path, exif: bytes) -> None:
    assert read_orientation(exif) == 1
    assert agreed_size(tmp_path, in_png(exif[6:])) == (41, 29)
    if len(exif) < 65_000:
        assert agreed_size(tmp_path, in_jpeg(exif)) == (41, 29)


def test_other_types_than_bytes_count_as_upright() -> None:
    for value in (None, "Exif", 3, [b"Exif"]):
        assert read_orientation(value) == 1


@given(st.binary(max_size=200), st.integers(0, 60), st.binary(min_size=1, max_size=8))
def test_fuzzed_blocks_never_raise(data: bytes, at: int, change: bytes) -> None:
    assert 1 <= read_orientation(data) <= 8
    mutated = bytearray(block())
    mutated[at : at + len(change)] = change
    assert 1 <= read_orientation(bytes(mutated)) <= 8
    try:
        assert min(look(in_jpeg(bytes(mutated)))) == 29
    except AppError:
        return


def test_only_the_first_block_before_the_first_scan_counts() -> None:
    twice = in_jpeg(block(6), in_jpeg(block(1)))
    assert look(twice) == (29, 41)
    xmp = in_jpeg(
        b"http://ns.adobe.com/xap/1.0/\0" + b'<x tiff:Orientation="6"/>', in_jpeg(block(6))
    )
    assert look(xmp) == (29, 41)
    whole = images.jpeg(41, 29)
    behind = whole[:-2] + b"\xff\xe1" + (len(block()) + 2).to_bytes(2, "big") + block() + whole[-2:]
    assert look(behind) == (41, 29)


def test_only_exif_counts_as_in_browsers(tmp_path: Path) -> None:
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="6"></x:xmpmeta>'
    assert agreed_size(tmp_path, in_jpeg(xmp)) == (41, 29)


def test_a_huge_block_costs_little() -> None:
    entries = struct.pack("<HHII", 0x0100, 4, 1, 40) * 65_535
    huge = b"II*\0" + struct.pack("<IH", 8, 65_535) + entries + bytes(20_000_000)
    data = in_png(huge)
    tracemalloc.start()
    assert look(data) == (41, 29)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000  # a chunk's checksum is taken in steps of 1 MiB


def test_multi_picture_files_are_rotated_and_scaled(tmp_path: Path) -> None:
    """Phones write JPEGs with a second picture behind the first (MPO)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    first = Image.fromarray(images.scene(800, 600))
    data = images.encoded(first, "MPO", save_all=True, append_images=[first], exif=exif)
    assert agreed_size(tmp_path, data) == (600, 800)
    path = tmp_path / "picture"
    scaled = codec.decode(path, 10**6, parse("thumbnail", {"width": "20"}).minimum_decode_size)
    assert scaled.full_size == (600, 800)
    assert scaled.pixels.shape[:2] == (100, 75)


def test_pixel_limit_applies_to_the_full_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(images.jpeg(800, 600))
    with pytest.raises(AppError, match="800 x 600 = 480000 pixels; at most 400000"):
        codec.decode(path, 400_000, parse("thumbnail", {"width": "20"}).minimum_decode_size)


def test_upright_size() -> None:
    assert upright_size(3, 2, 1) == upright_size(2, 3, 6) == (3, 2)


def test_16_bit_pngs_with_a_transparent_colour_are_rotated(tmp_path: Path) -> None:
    pixel, other = b"\x12\x34\x56\x78\x9a\xbc", b"\x12\x35\x56\x78\x9a\xbc"
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)),
        (b"tRNS", pixel),
        (b"eXIf", block(6)[6:]),
        (b"IDAT", zlib.compress(b"\x00" + pixel + other)),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        data += len(body).to_bytes(4, "big") + kind + body
        data += zlib.crc32(kind + body).to_bytes(4, "big")
    assert agreed_size(tmp_path, data) == (1, 2)
    path = tmp_path / "picture"
    alpha = codec.decode(path, 100).alpha
    assert alpha is not None
    assert alpha.tolist() == [[0], [65535]]
