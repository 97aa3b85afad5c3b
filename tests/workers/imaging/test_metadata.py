"""metadata=none, safe and all: what the file of a result holds, byte for byte."""

from __future__ import annotations

import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.images.metadata import MAX_BLOCK_BYTES
from models.operations import OPERATIONS
from tests.support import images, metadata
from tests.workers.imaging.test_picture_promises import process, with_chunk
from workers.imaging import exif_block, exif_writer, notes, xmp

FORMATS = ("jpeg", "png", "webp")
PRIVATE = (metadata.SERIAL, metadata.PLACE, metadata.MAKERS_NOTE, b"Camera", b"private", b"Tool")
EXAMPLES = [
    *("upscale=2", "restore=50", "grayscale", "blur=3", "thumbnail=20", "resize=2", "rotate=90"),
    *("flip", "sharpen", "adjust", "smartcrop", "trim"),
    '{"op": "crop", "width": 9, "height": 9}',
    '{"op": "watermark", "text": "x", "size": 25}',
]


def written(made: Any) -> bytes:
    return Path(made.path).read_bytes()


def texts(image: Image.Image) -> tuple[Any, Any, Any]:
    exif = image.getexif()
    return exif.get(0x013B), exif.get(0x8298), exif.get_ifd(0x8769).get(0x9003)


@pytest.mark.parametrize("output", FORMATS)
def test_by_default_nothing_is_kept(tmp_path: Path, output: str) -> None:
    for data in (metadata.jpeg(), images.png(exif=metadata.exif())):
        result, made = process(tmp_path, data, "rotate=90", output=output)
        assert not any(secret in written(made) for secret in (*PRIVATE, b"Ada", metadata.THUMBNAIL))
        assert not result.getexif().keys() - {0x011A, 0x011B, 0x0128}
        kinds = "EXIF, XMP, IPTC, comments" if data[:2] == b"\xff\xd8" else "EXIF"
        assert notes.METADATA_KEPT_BY.format(kinds) in made.notes
        assert notes.EMBEDDED_PREVIEW in made.notes


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("operation", EXAMPLES)
def test_safe_keeps_author_copyright_and_date(tmp_path: Path, output: str, operation: str) -> None:
    data = metadata.jpeg()
    plain, _ = process(tmp_path, data, operation, output=output)
    result, made = process(tmp_path, data, operation, output=output, metadata="safe")
    assert result.size == plain.size  # upright either way
    assert texts(result) == ("Ada Lovelace", "(c) Ada", "2024:05:06 07:08:09")
    assert not any(secret in written(made) for secret in (*PRIVATE, metadata.THUMBNAIL[-100:]))
    assert "xmp" not in result.info and 0x8825 not in result.getexif()
    assert notes.METADATA_BUT_SAFE.format("EXIF, XMP, IPTC, comments") in made.notes


def test_each_operation_is_tried() -> None:
    tried = " ".join(EXAMPLES)
    assert [op for op in OPERATIONS if op not in tried] == ["split", "convert"]


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("operation", EXAMPLES)
def test_all_keeps_all_upright_and_without_thumbnail(
    tmp_path: Path, output: str, operation: str
) -> None:
    result, made = process(tmp_path, metadata.jpeg(), operation, output=output, metadata="all")
    exif, data = result.getexif(), written(made)
    assert all(secret in data for secret in (*PRIVATE, b"Ada Lovelace"))
    assert exif[0x0112] == 1 and not exif.get_ifd(1)
    assert metadata.THUMBNAIL[-100:] not in data and metadata.THUMBNAIL[:100] not in data
    assert exif.get_ifd(0x8825)[0x001B] == metadata.PLACE
    detail = exif.get_ifd(0x8769)
    assert (detail[0xA002], detail[0xA003]) == result.size
    assert detail[0x927C] == metadata.MAKERS_NOTE
    factor = 2 if operation in {"upscale=2", "resize=2"} else 1
    assert exif[0x011A] == exif[0x011B] == 300 * factor
    assert b"Grace" in result.info["xmp"]
    if output == "jpeg":
        assert result.info["photoshop"][0x0404] == metadata.iptc()
    else:
        name = {"png": "PNG", "webp": "WebP"}[output]
        assert notes.UNHELD_METADATA.format("IPTC", name) in made.notes
    assert notes.METADATA_UNFIT.format("comments") in made.notes


def test_a_result_of_all_keeps_itself(tmp_path: Path) -> None:
    """All of all is all; safe of all is what safe is of the original."""
    _, once = process(tmp_path, metadata.jpeg(), "blur=3", output="jpeg", metadata="all")
    data = written(once)
    result, again = process(tmp_path, data, "blur=3", output="jpeg", metadata="all")
    assert texts(result) == ("Ada Lovelace", "(c) Ada", "2024:05:06 07:08:09")
    assert again.notes == ()
    result, _ = process(tmp_path, data, "blur=3", metadata="safe")
    assert texts(result) == ("Ada Lovelace", "(c) Ada", "2024:05:06 07:08:09")


def test_safe_reads_every_source(tmp_path: Path) -> None:
    """EXIF comes first, then XMP, IPTC and the texts of a PNG."""
    bare = metadata.exif(texts=False)
    cases: list[tuple[bytes, tuple[Any, Any, Any]]] = [
        (metadata.jpeg(exif=bare), ("Grace; Ada", "free & open", "2023:01:02 03:04:05")),
        (metadata.jpeg(exif=b"", xmp=b""), ("Bob", "Bob's", "2022:02:03 04:05:06")),
        (metadata.jpeg(exif=bare, xmp=b"", extra=b""), (None, None, None)),
        (images.png(), (None, None, None)),
    ]
    plain = images.png()
    for key, text in (
        ("Author", "Eve"),
        ("Copyright", "CC0"),
        ("Creation Time", "Mon, 06 May 2024 07:08:09 +0200"),
    ):
        plain = with_chunk(plain, b"tEXt", key.encode() + b"\0" + text.encode())
    cases.append((plain, ("Eve", "CC0", "2024:05:06 07:08:09")))
    attributes = (
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="2020-02-03T04:05"'
    )
    dated = with_chunk(
        images.png(), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp("<a/>", attributes)
    )
    cases.append((dated, (None, None, "2020:02:03 04:05:00")))
    for day in ('photoshop:DateCreated="2020-02-03"', 'photoshop:DateCreated="2020-02-03Z"'):
        data = metadata.jpeg(exif=b"", xmp=metadata.xmp("<a/>", day), extra=b"")
        cases.append((data, (None, None, "2020:02:03 00:00:00")))
    for data, expected in cases:
        result, _ = process(tmp_path, data, "blur=3", metadata="safe")
        assert texts(result) == expected


def test_iptc_of_several_authors_and_old_programs(tmp_path: Path) -> None:
    second = b"\x1c\x02\x50\0\x03Eve"
    for author in ("Zoë".encode("latin-1"), "Zoë".encode()):
        block = metadata.iptc(author) + second
        data = metadata.jpeg(exif=b"", xmp=b"", extra=metadata.photoshop(0x0404, block))
        result, _ = process(tmp_path, data, "blur=3", metadata="safe")
        assert "Zoë; Eve".encode() + b"\0" in result.info["exif"]


def test_iptc_of_many_overlapping_authors_is_bounded(tmp_path: Path) -> None:
    """Each field claims the 32,767 bytes behind it: whole, they would take 400 MB."""
    extra = metadata.photoshop(0x0404, b"\x1c\x02\x50\x7f\xff" * 12_000)
    data = metadata.jpeg(exif=b"", xmp=b"", extra=extra)
    tracemalloc.start()
    result, made = process(tmp_path, data, "blur=3", metadata="safe")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 << 20
    assert notes.TEXT_TOO_LONG.format(1000) in made.notes and "exif" not in result.info


def test_an_empty_date_is_not_kept(tmp_path: Path) -> None:
    for date in (b"    :  :     :  :  ", b"0000-00-00 00:00:00", b"2024:05:06 07:08:0\0"):
        block = metadata.exif().replace(b"2024:05:06 07:08:09", date)
        result, _ = process(tmp_path, images.jpeg(exif=block), "blur=3", metadata="safe")
        assert texts(result) == ("Ada Lovelace", "(c) Ada", None)


def test_xmp_loses_what_is_no_longer_true() -> None:
    stale = (
        'tiff:Orientation="6" hdrgm:Version="1.0" GCamera:MotionPhoto="1" '
        'xmpNote:HasExtendedXMP="ABC"'
    )
    inner = (
        "<xmp:Thumbnails><rdf:Alt><rdf:li>BASE64</rdf:li></rdf:Alt></xmp:Thumbnails>"
        "<tiff:XResolution>72/1</tiff:XResolution><dc:title>kept</dc:title>"
        '<Container:Directory><rdf:Seq><rdf:li Container:x="GainMap"/></rdf:Seq>'
        "</Container:Directory>"
    )
    found = xmp.cleaned(metadata.xmp(inner, stale))
    assert b'tiff:Orientation="1"' in found and b"kept" in found and b"Tool" in found
    gone = (b"Version", b"Motion", b"ABC", b"BASE64", b"72/1", b"GainMap")
    assert not any(word in found for word in gone)
    element = xmp.cleaned(metadata.xmp("<tiff:Orientation>8</tiff:Orientation>"))
    assert b"<tiff:Orientation>1</tiff:Orientation>" in element
    assert found.startswith(b"<?xpacket begin=") and found.endswith(b'<?xpacket end="w"?>')
    assert b"kept" in xmp.cleaned(metadata.xmp(inner).decode().encode("utf-16"))
    assert xmp.cleaned(metadata.xmp() + bytes(9)) == xmp.cleaned(metadata.xmp())


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "packet",
    [
        *(b"", b"<a>", b"no XML", b"\xff\xfe\0", b"<a>" * 9000 + b"</a>" * 9000),
        *(ENTITIES, ENTITIES.decode().encode("utf-16"), b"<r>" + b"<a/>" * 20_001 + b"</r>"),
        *(
            b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
            b"<?xml version='1.0' encoding='x'?><a/>",
        ),
        metadata.xmp() + b" " * MAX_BLOCK_BYTES,
    ],
)
def test_hostile_xmp_is_dropped(tmp_path: Path, packet: bytes) -> None:
    assert xmp.cleaned(packet) == b"" and xmp.read_texts(packet) == ("", "", "")
    data = with_chunk(images.png(), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    for choice in ("all", "safe"):
        result, made = process(tmp_path, data, "blur=3", metadata=choice)
        assert "xmp" not in result.info
        lost = notes.METADATA_UNFIT if choice == "all" else notes.METADATA_BUT_SAFE
        assert made.notes == ((lost.format("XMP"),) if packet else ())


def test_what_is_too_long_is_dropped_with_a_note(tmp_path: Path) -> None:
    long = exif_writer.build({0x8298: b"c" * (MAX_BLOCK_BYTES - 100)})
    longer = exif_writer.build({0x8298: b"c" * MAX_BLOCK_BYTES})
    for output in FORMATS:
        for block, fits in ((long, True), (longer, False)):
            data = with_chunk(images.png(), b"eXIf", block)
            result, made = process(tmp_path, data, "blur=3", output=output, metadata="all")
            assert (0x8298 in result.getexif()) == fits
            assert made.notes == (() if fits else (notes.METADATA_UNFIT.format("EXIF"),))
    block = exif_writer.build({0x013B: b"a" * 1001, 0x8298: b"c" * 1000})
    result, made = process(tmp_path, images.jpeg(exif=b"Exif\0\0" + block), metadata="safe")
    assert texts(result) == (None, "c" * 1000, None)
    assert made.notes == (notes.TEXT_TOO_LONG.format(1000),)
    extended = metadata.segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40))
    data = images.jpeg(extra=extended, xmp=metadata.xmp())
    result, made = process(tmp_path, data, metadata="all")
    assert made.notes == (notes.METADATA_UNFIT.format("extended XMP"),)
    assert "xmp" in result.info


def test_control_characters_do_not_pass(tmp_path: Path) -> None:
    packet = metadata.xmp(
        "<dc:creator><rdf:Seq><rdf:li>a&#10;b&#9;c</rdf:li></rdf:Seq></dc:creator>"
    )
    result, _ = process(tmp_path, images.jpeg(xmp=packet), metadata="safe")
    assert texts(result)[0] == "a b c"


BLOCK = metadata.exif()[6:]


def test_a_thumbnail_is_overwritten_wherever_it_is() -> None:
    start = BLOCK.index(metadata.THUMBNAIL)
    behind = BLOCK + b"something behind it"
    for block in (BLOCK, behind, metadata.PREFIX + BLOCK):
        found = exif_writer.cleaned(block)
        assert metadata.THUMBNAIL[:40] not in found and metadata.THUMBNAIL[-40:] not in found
        assert not exif_block.has_thumbnail(found)
        assert exif_writer.cleaned(found) == found
    assert len(exif_writer.cleaned(BLOCK)) <= start
    assert exif_writer.cleaned(behind).endswith(b"something behind it")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_hostile_exif_costs_nothing(data: st.DataObject) -> None:
    block = bytearray(BLOCK)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, 400))
        block[at] = data.draw(st.sampled_from([0, 1, 4, 5, 8, 127, 255]))
    cut = bytes(block[: data.draw(st.integers(0, len(block)))])
    for hostile in (bytes(block), cut):
        exif_block.read_resolution(hostile)
        exif_block.read_texts(hostile)
        exif_block.is_adobe_rgb(hostile)
        exif_block.has_content(hostile)
        assert len(exif_writer.cleaned(hostile)) <= len(hostile)
        numbers = (Fraction(300), Fraction(300), 2)
        assert len(exif_writer.updated(hostile, (7, 5), numbers)) == len(hostile)


def test_loops_of_directories_end() -> None:
    loop = bytearray(BLOCK)
    struct.pack_into(">I", loop, 8 + 2 + 12 * struct.unpack_from(">H", loop, 8)[0], 8)
    assert not exif_block.has_thumbnail(bytes(loop))
    many = b"MM\0*" + struct.pack(">I", 8)
    for at in range(8, 8 + 6 * 1000, 6):
        many += struct.pack(">HI", 0, at + 6)
    assert exif_block.has_thumbnail(many)
    assert len(exif_block.ExifBlock(many).chain()) == 8
