"""Inspection of image files: format, size, and truncated or hostile files."""

from __future__ import annotations

import io
import itertools
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import AppError, BadImage, TooManyPixels, UnsupportedFormat
from models.images import jpeg, png
from models.images.inspect import ImageHeader, check_pixels, check_side, sniff
from models.images.structure import MAX_BLOCKS
from tests.models.images import look
from tests.support import images


def multi_scan() -> bytes:
    return images.jpeg(64, 48, progressive=True)


def test_headers() -> None:
    assert look(images.png(41, 29)) == ImageHeader("png", 41, 29, 8, 3)
    assert look(images.jpeg(41, 29)) == ImageHeader("jpeg", 41, 29)
    assert look(multi_scan()) == ImageHeader("jpeg", 64, 48)


@pytest.mark.parametrize("key", [(), (1,)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_depth_and_channels(channels: int, depth: Any, key: tuple[int, ...]) -> None:
    key = key * channels if channels in {1, 3} else ()
    wide = np.zeros((3, 5, channels), depth)
    for interlaced in (False, True):
        header = look(images.by_hand(wide, key=key, interlaced=interlaced))
        expected = (8 * np.dtype(depth).itemsize, channels + bool(key))
        assert header == ImageHeader("png", 5, 3, *expected)


def test_palettes_and_few_bits_report_their_decoded_samples() -> None:
    palette = Image.fromarray(images.scene()).quantize(4)
    for image, options, channels in (
        *((palette, {}, 3), (palette, {"transparency": 1}, 4)),
        *((Image.new("1", (5, 4)), {}, 1), (Image.new("1", (5, 4)), {"transparency": 1}, 2)),
    ):
        header = look(images.encoded(image, "PNG", **options))
        assert (header.depth, header.channels) == (8, channels)


def test_bytes_after_the_end_marker_are_ignored() -> None:
    assert look(images.jpeg() + b"\0" * 1000).format == "jpeg"


def test_end_marker_of_an_embedded_thumbnail_is_ignored() -> None:
    thumbnail = images.jpeg(16, 16)
    exif = b"Exif\0\0" + thumbnail
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    whole = images.jpeg(64, 48)
    data = whole[:2] + segment + whole[2:]
    assert look(data).width == 64
    with pytest.raises(BadImage, match="truncated"):
        look(data[: data.index(b"\xff\xda")])


@pytest.mark.parametrize(
    ("whole", "picture_end"),
    [
        (images.png(64, 48), images.png(64, 48).index(b"IDAT") + 4),
        (images.jpeg(64, 48), images.jpeg(64, 48).index(b"\xff\xda") + 14),
        (multi_scan(), multi_scan().index(b"\xff\xda") + 14),
    ],
)
def test_truncated_before_its_picture_is_refused(whole: bytes, picture_end: int) -> None:
    """Only a decoder can tell whether a scan, or the samples of a PNG, are whole."""
    for length in range(20, picture_end, max(1, picture_end // 150)):
        with pytest.raises(BadImage):
            look(whole[:length])
    for length in (picture_end + 60, len(whole) - 13, len(whole) - 2, len(whole) - 1):
        if length > picture_end:
            assert look(whole[:length]).width == 64


def test_changed_byte_in_a_png_fails_its_checksum() -> None:
    data = bytearray(images.png(64, 48))
    data[len(data) // 2] ^= 1
    with pytest.raises(BadImage, match="broken: wrong checksum|truncated"):
        look(bytes(data))


@pytest.mark.parametrize(
    ("kind", "named"),
    [("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("WEBP", "WebP")],
)
def test_other_formats_are_named(kind: str, named: str) -> None:
    data = images.encoded(Image.fromarray(images.scene()), kind)
    with pytest.raises(UnsupportedFormat, match=f"{named}.*send PNG or JPEG"):
        sniff(data[:16])


@pytest.mark.parametrize(
    "start", [b"<svg xmlns=", b"<?xml versi", b"%PDF-1.7", b"hello", b"", b"\xff\xd8", b"\x89PNG\r"]
)
def test_other_files_are_refused(start: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        sniff(start)


def test_pixel_bomb_is_read_from_its_header_only() -> None:
    side = 20_000
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            images.chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)),
            images.chunk(b"IDAT", zlib.compress(bytes(side * (1 + side // 8)), 1)),
            images.chunk(b"IEND", b""),
        )
    )
    header = look(bomb)
    with pytest.raises(TooManyPixels, match="400000000 pixels; at most 50000000 are allowed") as e:
        check_pixels(header.width, header.height, 50_000_000, what="it", setting="MAX_PIXELS")
    assert e.value.facts == {"setting": "MAX_PIXELS", "limit": 50_000_000, "measured": 400_000_000}


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6), st.booleans())
def test_mutated_files_raise_only_app_errors(at: int, change: bytes, png: bool) -> None:
    data = bytearray(images.png(24, 24) if png else images.jpeg(24, 24))
    at %= len(data)
    data[at : at + len(change)] = change
    try:
        header = look(bytes(data))
    except AppError:
        return
    assert header.width > 0


def test_empty_and_tiny_files() -> None:
    for size in range(20):
        with pytest.raises((BadImage, UnsupportedFormat)):
            look(io.BytesIO(images.jpeg()).read(size))


def many_blocks(count: int) -> tuple[bytes, bytes]:
    """Return a JPEG and a PNG with ``count`` empty segments and chunks before the picture."""
    whole, chunked = images.jpeg(), images.png()
    return (
        whole[:2] + b"\xff\xe2\x00\x02" * count + whole[2:],
        chunked[:33] + images.chunk(b"abCd", b"") * count + chunked[33:],
    )


def test_hostile_structures_are_refused_with_a_reason() -> None:
    """Many empty segments, fill bytes and chunks: one bounded pass."""
    for data, sentence in zip(
        many_blocks(MAX_BLOCKS), ("100000 segments", "100000 chunks"), strict=True
    ):
        with pytest.raises(BadImage, match=sentence):
            look(data)
    whole, fill = images.jpeg(), b"\xff" * 1_000_000
    assert look(whole[:2] + fill + whole[2:]).width == 40
    # Once it took hours, with the GIL held.
    assert look(whole[:2] + fill + b"\0" + whole[2:-2]).width == 40


def test_hostile_structures_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing every allocation is slow, so the limit is lower here."""
    limit, filled = 2_000, images.jpeg()[:2] + b"\xff" * 1_000_000 + images.jpeg()[2:]
    for module in (jpeg, png):
        monkeypatch.setattr(module, "MAX_BLOCKS", limit)
    hostile = many_blocks(limit)
    assert (look(filled).width, look(images.png()).width) == (40, 40)  # imports and caches
    tracemalloc.start()
    look(filled)
    for data in hostile:
        with pytest.raises(BadImage, match="more than 2000"):
            look(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000


def test_stray_bytes_between_segments_are_ignored() -> None:
    whole = images.jpeg()
    end = 2 + 2 + int.from_bytes(whole[4:6], "big")
    assert look(whole[:end] + b"\x01\x02" + whole[end:]).width == 40


def test_long_comments_and_files_without_a_picture() -> None:
    whole = images.png()
    body = b"a\0\0" + zlib.compress(bytes(2_000_000))
    crc = zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    text = len(body).to_bytes(4, "big") + b"zTXt" + body + crc
    assert look(whole[:33] + text + whole[33:]).width == 40
    with pytest.raises(BadImage, match="holds no picture"):
        look(whole[:33] + whole[-12:])


def test_sides_a_format_cannot_hold() -> None:
    check_side(65_500, 1, "jpeg")
    with pytest.raises(TooManyPixels, match="JPEG holds at most 65500 pixels a side; ask for form"):
        check_side(1, 65_501, "jpeg")
    with pytest.raises(TooManyPixels, match="PNG holds at most 1000000"):
        check_side(1_000_001, 1, "png")


def test_headers_too_short_to_hold_a_size() -> None:
    for body in (b"", b"abc"):
        crc = zlib.crc32(b"IHDR" + body).to_bytes(4, "big")
        with pytest.raises(BadImage):
            look(b"\x89PNG\r\n\x1a\n" + len(body).to_bytes(4, "big") + b"IHDR" + body + crc)
    with pytest.raises(BadImage, match="holds no picture"):
        look(bytes.fromhex("ffd8ffc00002ffda0002ffd9") + bytes(8))


def test_scans_are_limited() -> None:
    """A hundred thousand empty scans would keep a decoder busy for minutes."""
    data = images.jpeg(40, 30, progressive=True)
    assert look(data).width == 40
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)
    many = data[:first] + data[first:second] * 201 + data[second:]
    with pytest.raises(BadImage, match="more than 200 scans"):
        look(many)


@pytest.mark.parametrize(
    ("options", "least"),
    [({"subsampling": 0}, 574_219), ({}, 287_329), ({"progressive": True}, 143_665)],
)
def test_jpeg_without_the_data_of_its_pixels_is_refused(
    options: dict[str, Any], least: int
) -> None:
    data = bytearray(images.encoded(Image.new("RGB", (16, 16)), "JPEG", **options))
    frame = data.index(b"\xff\xc2" if "progressive" in options else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 7000, 7000)
    with pytest.raises(BadImage, match=f"7000 x 7000 pixels take at least {least} bytes") as e:
        look(bytes(data))
    assert e.value.facts == {"limit": least}


@pytest.mark.parametrize(("mode", "least"), [("1", 5936), ("L", 47_481), ("RGB", 142_442)])
def test_png_without_the_data_of_its_pixels_is_refused(mode: str, least: int) -> None:
    data = bytearray(images.encoded(Image.new(mode, (256, 7000))))
    data[16:24] = struct.pack(">II", 7000, 7000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(BadImage, match=f"7000 x 7000 pixels take at least {least} bytes"):
        look(bytes(data))


@pytest.mark.parametrize("size", [(1, 1), (9, 17), (1, 3000), (2049, 700)])
def test_the_flattest_valid_pictures_are_accepted(size: tuple[int, int]) -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "I;16"):
        assert look(images.encoded(Image.new(mode, size), compress_level=9)).width == size[0]
    for mode, progressive, subsampling in itertools.product(
        ("L", "RGB", "CMYK"), (False, True), (0, 1, 2)
    ):
        flat = Image.new(mode, size, 128 if mode == "L" else (128,) * len(mode))
        options = {"progressive": progressive, "subsampling": subsampling, "optimize": True}
        assert look(images.encoded(flat, "JPEG", quality=1, **options)).width == size[0]


def test_a_second_frame_header_changes_nothing() -> None:
    """It made a JPEG look small, whose first frame the decoders read."""
    data, frame = images.jpeg(64, 48), bytes.fromhex("ffc0000b080001000101011100")
    assert look(data[:-2] + frame + data[-2:]) == ImageHeader("jpeg", 64, 48)
