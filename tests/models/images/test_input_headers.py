"""Headers of WebP, AVIF, TIFF, BMP and HEIC as inputs: judged without decoding, at little cost."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from models.errors import AppError, BadImage, UnsupportedFormat
from models.images import bmp, heif, tiff, webp
from models.images.inspect import (
    ACCEPTED_FORMATS,
    INPUT_MEDIA_TYPES,
    ImageHeader,
    InputFormat,
    file_types,
    inspect,
    names_of,
    sniff,
)
from models.images.structure import Facts
from tests.models.images.test_avif import Counted
from tests.support import images
from tests.support import input_files as files

ALL = tuple(INPUT_MEDIA_TYPES)
READ: dict[InputFormat, Callable[[bytes], Facts]] = {
    "webp": webp.read_facts,
    "avif": partial(heif.read_facts, name="AVIF"),
    "tiff": tiff.read_facts,
    "bmp": bmp.read_facts,
    "heic": partial(heif.read_facts, name="HEIC"),
}
CASES = [(kind, number) for kind in READ for number in range(len(files.samples()[kind]))]


def look(data: bytes, accepted: tuple[InputFormat, ...] = ALL) -> ImageHeader:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return inspect(file, accepted)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("webp", [(40, 30, 8, 3, 0), (30, 40, 8, 4, 0), (40, 30, 8, 3, 300), (40, 30, 8, 4, 0)]),
        ("avif", [(40, 30, 8, 3, 0), (30, 40, 8, 4, 0), (40, 30, 8, 3, 0), (40, 30, 16, 3, 0)]),
        (
            "tiff",
            [
                *((40, 30, 8, 3, 0), (40, 30, 8, 4, 0), (40, 30, 8, 4, 0), (40, 30, 8, 1, 0)),
                *((40, 30, 8, 3, 0), (30, 40, 8, 3, 0), (40, 30, 8, 3, 0), (40, 30, 16, 3, 0)),
            ],
        ),
        ("bmp", [(40, 30, 8, 3, 0), (40, 30, 8, 3, 0), (40, 30, 8, 3, 0), (8, 5, 8, 3, 0)]),
        (
            "heic",
            [
                *((128, 64, 8, 3, 0), (64, 128, 8, 3, 588), (128, 64, 8, 4, 0)),
                *((128, 64, 16, 3, 0), (128, 64, 8, 3, 0), (250, 120, 8, 3, 0)),
            ],
        ),
    ],
)
def test_headers(kind: InputFormat, expected: list[tuple[int, ...]]) -> None:
    found = [look(data) for data in files.samples()[kind]]
    assert [(h.width, h.height, *h.samples, h.profile_bytes) for h in found] == expected
    assert {header.kind for header in found} == {kind}


def test_results_are_of_a_format_that_keeps_the_picture() -> None:
    expected = {"webp": "webp", "gif": "png", "avif": "avif", "tiff": "png", "bmp": "png"}
    for kind, whole in files.samples().items():
        assert kind == "heic" or {look(data).format for data in whole} == {expected[kind]}
    assert (look(files.heic()).format, look(files.heic("alpha")).format) == ("jpeg", "png")


def test_only_what_is_accepted_is_read_and_said() -> None:
    for kind, whole in files.samples().items():
        with pytest.raises(UnsupportedFormat, match="send PNG or JPEG$") as caught:
            look(whole[0], ACCEPTED_FORMATS)
        assert caught.value.facts["accepted"] == ["png", "jpeg"]
        assert look(whole[0], (kind,)).kind == kind
    assert names_of(("png", "jpeg", "heic")) == "PNG, JPEG or HEIC"
    assert file_types(("png", "heic")) == "image/png,image/heic,.heic,.heif"


def test_names_that_may_be_of_a_format_are_left_to_its_walk() -> None:
    scanned = images.encoded(Image.new("L", (9, 7)), "TIFF", tiffinfo={271: "SONY"})
    assert look(scanned) == ImageHeader("tiff", 9, 7, 8, 1)
    assert sniff(files.box(b"ftyp", b"mif1\0\0\0\0miaf"), ALL) == "heic"
    with pytest.raises(UnsupportedFormat):
        sniff(b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI", ALL)


ENDS_WITH_MORE = {("avif", 2), ("tiff", 4), ("tiff", 6), ("bmp", 3)}
"""Their last bytes are not of the first picture, or only a decoder can tell."""


@pytest.mark.parametrize(("kind", "number"), [each for each in CASES if each not in ENDS_WITH_MORE])
def test_truncated_anywhere_is_refused(kind: InputFormat, number: int) -> None:
    data = files.samples()[kind][number]
    for end in [*range(12, len(data) - 8, max(1, len(data) // 100)), len(data) * 99 // 100]:
        with pytest.raises(BadImage, match="(truncated|broken|no picture)"):
            READ[kind](data[:end])


@pytest.mark.parametrize("kind", READ)
def test_changed_bytes_give_a_size_or_an_error(kind: InputFormat) -> None:
    rng, refused = np.random.default_rng(0), []
    for data in files.samples()[kind]:
        for at in {*range(100), *rng.integers(0, len(data), 150).tolist()}:
            for value in (0, 255, int(rng.integers(256))):
                changed = bytearray(data)
                changed[at] = value
                try:
                    found = READ[kind](bytes(changed))
                except AppError as error:
                    refused.append(error.detail)
                else:
                    assert min(found.size) > 0
                    assert found.depth in {8, 16} and 1 <= found.channels <= 4
    assert len(refused) > 100 and max(map(len, refused)) < 300


def test_what_follows_the_picture_is_ignored() -> None:
    for kind, whole in files.samples().items():
        for data in whole:
            assert look(data + b"\0" * 20 + b"trailer").kind == kind


def ifd(*tags: tuple[int, int, int, int], following: int = 0, extra: bytes = b"") -> bytes:
    """Return a little-endian TIFF of one directory of (tag, type, count, value), then ``extra``."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    return head + entries + struct.pack("<I", following) + extra


def strips(width: int = 9, height: int = 7, *more: tuple[int, int, int, int]) -> bytes:
    """Return a gray TIFF of one strip; ``more`` replaces tags or adds some."""
    usual = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (262, 3, 1, 1)]
    usual += [(273, 4, 1, 8), (279, 4, 1, width * height)]
    tags = {tag[0]: tag for tag in (*usual, *more)}
    return ifd(*(tags[tag] for tag in sorted(tags)), extra=bytes(width * height))


LONG, SHORT = 4, 3
HOSTILE_TIFFS = [
    (strips(9, 7, (256, LONG, 1, 0)), "holds no picture"),
    (strips(9, 7, (279, LONG, 1, 0)), "truncated"),
    (strips(9, 7, (279, LONG, 1, 5)), "take at least 63 bytes, and it has 5"),
    (strips(9, 7, (273, LONG, 1, 0xFFFFFFFF)), "truncated"),
    (strips(9, 7, (278, LONG, 1, 1)), "takes 7 strips or tiles, and 1 are there"),
    (strips(9, 7, (278, LONG, 1, 0)), "9 x 0 pixels"),
    (strips(9, 7, (273, LONG, 200_000, 8)), "200000 values in its tag 273"),
    (strips(9, 7, (256, 2, 1, 9)), "tag 256 holds no whole numbers"),
    (strips(9, 7, (258, SHORT, 1, 7)), "samples of 7 bits"),
    (strips(9, 7, (339, SHORT, 1, 3)), "signed or floating"),
    (strips(9, 7, (259, SHORT, 1, 6)), "compression 6"),
    (strips(9, 7, (262, SHORT, 1, 32803)), "photometric interpretation 32803"),
    (strips(9, 7, (277, SHORT, 1, 9)), "9 samples a pixel"),
    (strips(9, 7, (258, SHORT, 1, 16), (277, SHORT, 1, 2)), "2 samples a pixel of 16 bits"),
    (strips(9, 7, (254, LONG, 1, 1)), "RAW file of a camera"),
    (strips(9, 7, (50706, 1, 4, 1)), "RAW file of a camera"),
    (strips(9, 7, (34675, 7, 0xFFFFFFF0, 8)), "tags take 4294967280 bytes, and it has 161"),
    (strips(9, 7, *((40000 + n, 7, 100, 8) for n in range(99))), "tags take 9900 bytes"),
    (strips(9, 7, (40000, 12, 30, 8)), "tags take 240 bytes"),
    (strips(9, 7, (322, LONG, 1, 99_999), (323, LONG, 1, 99_999), (324, LONG, 1, 8)), "tiles have"),
    (struct.pack("<2sHIH", b"II", 42, 8, 60_000), "60000 tags"),
    (b"II*\0\xff\xff\xff\xff", "truncated"),
    (b"II+\0\x08\0\0\0" + b"\xff" * 8, "truncated"),
]


@pytest.mark.parametrize(("data", "sentence"), HOSTILE_TIFFS, ids=range(len(HOSTILE_TIFFS)))
def test_hostile_tiffs_are_refused_with_a_reason(data: bytes, sentence: str) -> None:
    with pytest.raises((BadImage, UnsupportedFormat), match=sentence):
        tiff.read_facts(data)
    assert tiff.read_facts(strips()).size == (9, 7)


def test_pages_are_told_from_smaller_copies_and_a_circle_ends() -> None:
    page = strips()
    end = len(page) + len(page) % 2
    at = 10 + 12 * 6  # of the link to the next directory

    def followed_by(*tags: tuple[int, int, int, int], following: int = 0) -> bytes:
        later = ifd(*tags, following=following)[8:]
        return (
            page[:at] + struct.pack("<I", end) + page[at + 4 :].ljust(end - at - 4, b"\0") + later
        )

    assert not tiff.read_layout(page).pages
    assert tiff.read_layout(followed_by((256, LONG, 1, 9))).pages
    assert not tiff.read_layout(followed_by((254, LONG, 1, 1))).pages
    assert not tiff.read_layout(followed_by((254, LONG, 1, 1), following=end)).pages
    assert not tiff.read_layout(page[:at] + b"\xff" * 4 + page[at + 4 :]).pages


@pytest.mark.parametrize(
    ("at", "form", "value", "sentence"),
    [
        (14, "<I", 41, "header says that it has 41 bytes"),
        (18, "<i", 0, "holds no picture"),
        (18, "<i", -5, "holds no picture"),
        (18, "<i", 1_000_000, "takes? 90000054 bytes"),
        (28, "<H", 7, "7 bits a pixel"),
        (30, "<I", 4, "compression 4"),
        (10, "<I", 0x7FFFFFFF, "truncated"),
    ],
)
def test_hostile_bmps_are_refused_with_a_reason(
    at: int, form: str, value: int, sentence: str
) -> None:
    data = bytearray(files.samples()["bmp"][0])
    struct.pack_into(form, data, at, value)
    with pytest.raises((BadImage, UnsupportedFormat), match=sentence):
        bmp.read_facts(bytes(data))


def test_runs_of_a_bmp_that_change_nothing_are_refused() -> None:
    data = files.rle_bmp()
    assert bmp.read_facts(data).size == (8, 5)
    assert bmp.read_facts(data + b"\xff\1" * 30_000).size == (
        8,
        5,
    )  # what follows is not told apart
    with pytest.raises(BadImage, match="pixels of 8 x 5 take less than 65626 bytes, and 8"):
        bmp.read_facts(data + b"\xff\1" * 40_000)


def test_bmps_from_the_top_down_and_of_os2() -> None:
    data = bytearray(files.samples()["bmp"][0])
    struct.pack_into("<i", data, 22, -30)
    assert bmp.read_facts(bytes(data)).size == (40, 30)
    old = struct.pack("<2sIHHIIHHHH", b"BM", 0, 0, 0, 26, 12, 3, 2, 1, 24) + bytes(24)
    assert bmp.read_facts(old).size == (3, 2)


def heic(*properties: bytes, kind: bytes = b"hvc1", sides: tuple[int, int] = (128, 64)) -> bytes:
    decoder, data = files.coded()
    return files.heif([files.Item(kind, data, [decoder, files.ispe(*sides), *properties])])


def test_a_heic_turns_and_crops_itself() -> None:
    quarter, mirror = files.box(b"irot", b"\1"), files.box(b"imir", b"\1")
    clean = files.box(b"clap", struct.pack(">8I", 100, 1, 50, 1, 0, 1, 0, 1))
    assert look(heic(quarter)).width == look(heic(quarter, mirror)).width == 64
    assert look(heic(mirror)).width == look(heic(files.box(b"irot", b"\2"))).width == 128
    assert (look(heic(clean)).width, look(heic(clean, quarter)).width) == (100, 50)
    with pytest.raises(BadImage):
        look(heic(files.box(b"clap", struct.pack(">8I", 100, 0, 50, 1, 0, 1, 0, 1))))


ENTRIES = files.full_box(
    b"ipma",
    (900).to_bytes(4),
    b"".join(struct.pack(">HB", n, 200) + b"\1" * 200 for n in range(900)),
)
HOSTILE_HEICS = [
    (heic(kind=b"av01"), UnsupportedFormat, "kind 'av01'"),
    (heic(kind=b"iovl"), UnsupportedFormat, "kind 'iovl'"),
    (files.box(b"ftyp", b"heic\0\0\0\0hevc") + files.box(b"moov"), UnsupportedFormat, "a film"),
    (files.tiles(24, 24, 250, 120), BadImage, "4718592 pixels for a picture of 250 x 120"),
    (files.tiles(40, 40, 5000, 2000), BadImage, "broken or truncated"),  # more than 1000 items
    (heic(sides=(0, 64)), BadImage, "no picture"),
    (files.heif([files.Item(b"hvc1", b"x")]), BadImage, "broken"),
    (
        files.heif([files.Item(b"grid", b"x", [files.ispe(9, 9)])], [(b"dimg", 1, [7])]),
        BadImage,
        "broken",
    ),
    (
        files.box(b"ftyp", b"heic")
        + files.full_box(
            b"meta",
            files.full_box(b"iloc", bytes(4)),
            files.full_box(b"pitm", b"\0\1"),
            files.full_box(b"iinf", b"\0\0"),
            files.box(b"iprp", files.box(b"ipco", files.ispe(9, 9)), ENTRIES),
        ),
        BadImage,
        "broken",
    ),
    (
        files.box(b"ftyp", b"heic")
        + files.full_box(
            b"meta",
            files.full_box(b"iloc", bytes(4)),
            files.full_box(b"pitm", b"\0\1"),
            files.full_box(b"iinf", b"\0\0", *[files.full_box(b"infe", version=2)] * 5000),
        ),
        BadImage,
        "broken",
    ),
]


@pytest.mark.parametrize(("data", "error", "sentence"), HOSTILE_HEICS, ids=range(10))
def test_hostile_heics_are_refused_after_a_few_looks(
    data: bytes, error: type[AppError], sentence: str
) -> None:
    counted = Counted(data)
    with pytest.raises(error, match=sentence):
        heif.read_layout(counted, "HEIC")
    assert counted.looks < 40_000


def test_a_gain_map_and_alpha_are_told_apart() -> None:
    decoder, data = files.coded()
    own = [decoder, files.ispe(128, 64)]
    for urn, alpha, gain_map in (
        (b"urn:mpeg:hevc:2015:auxid:1", True, False),
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", False, True),
        (b"urn:mpeg:hevc:2015:auxid:2", False, False),  # depth
    ):
        beside = [*own, files.full_box(b"auxC", urn + b"\0")]
        made = files.heif(
            [files.Item(b"hvc1", data, own), files.Item(b"hvc1", data, beside)], [(b"auxl", 2, [1])]
        )
        layout = heif.read_layout(made, "HEIC")
        assert (layout.has_alpha, layout.has_gain_map) == (alpha, gain_map)
