"""PNGs with broken comments, without an end, or with samples that end early."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import BadImage
from tests.support import images
from tests.support.icc_profiles import matrix_profile
from workers.imaging import damage, mending, notes
from workers.imaging.picture import Picture

DEPTHS = [np.uint8, np.uint16]
TURNED = images.chunk(b"eXIf", struct.pack("<4sIHHHIII", b"II*\0", 8, 1, 0x112, 3, 1, 6, 0))


def broken(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with a wrong checksum."""
    data = bytearray(images.chunk(kind, content))
    data[-1] ^= 1
    return bytes(data)


def decode(folder: Path, data: bytes) -> Picture:
    path = folder / "original"
    path.write_bytes(data)
    return mending.decode(path, folder, 10**6)


def test_metadata_with_a_wrong_checksum_is_named_where_it_was_asked_for(tmp_path: Path) -> None:
    xmp = broken(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a/>")
    text, exif = broken(b"tEXt", b"a\0b"), broken(b"eXIf", TURNED[8:-4])
    path, whole = tmp_path / "original", images.png()
    for chunks, named in ((text + xmp + exif, "EXIF, XMP, comments"), (text, "comments")):
        path.write_bytes(whole[:33] + chunks + whole[33:])
        said = notes.METADATA_UNFIT.format(named)
        assert mending.decode(path, tmp_path, 10**6, keep="all").notes == (said,)
        assert mending.decode(path, tmp_path, 10**6, keep="none").notes == ()


def test_a_second_profile_costs_nothing(tmp_path: Path) -> None:
    packed = zlib.compress(matrix_profile("wide", ((0.7, 0.3), (0.2, 0.7), (0.15, 0.05)), 2.2))
    whole = images.png()
    chunks = images.chunk(b"iCCP", b"a\0\0" + packed) + images.chunk(b"iCCP", b"b\0\0" + b"?")
    made = decode(tmp_path, whole[:33] + chunks + whole[33:])
    assert made.icc == zlib.decompress(packed) and made.notes == ()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "comment",
    [
        broken(b"tEXt", b"Comment\0hello"),
        broken(b"zTXt", b"Comment\0\0" + zlib.compress(b"hello")),
        broken(b"iCCP", b"a\0\0" + zlib.compress(bytes(200))),
        broken(b"gAMA", struct.pack(">I", 100_000)),
        broken(b"tRNS", b"\0\0\0\0\0\0"),
        broken(b"eXIf", TURNED[8:-4]),
        broken(b"acTL", struct.pack(">II", 2, 0)),
        broken(b"prVt", b"anything") * 3,
    ],
)
def test_broken_comments_are_passed_over(
    tmp_path: Path, comment: bytes, channels: int, depth: Any
) -> None:
    samples = np.random.default_rng(0).integers(0, 255, (9, 14, channels)).astype(depth)
    expected = decode(tmp_path, images.by_hand(samples))
    for where in ("before", "after"):
        made = decode(tmp_path, images.by_hand(samples, **{where: comment}))  # type: ignore[arg-type]
        assert (made.pixels == expected.pixels).all()
        assert (made.alpha is None) == (channels in {1, 3})
        said = (notes.PROFILE_BROKEN,) if comment[4:8] == b"iCCP" else ()
        assert (made.icc, made.notes) == (None, said)


def test_sound_comments_stay_beside_broken_ones(tmp_path: Path) -> None:
    samples = images.scene(40, 30)
    for before, after in (
        (broken(b"tEXt", b"a\0b") + TURNED, b""),
        (broken(b"tIME", b"a"), TURNED),
    ):
        made = decode(tmp_path, images.by_hand(samples, before=before, after=after))
        assert made.size == (30, 40)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    "end", [b"", b"\0\0\0\0IEND", bytes(60), b"\0\0\1\0tEXtabc", b"<html>abcde"]
)
def test_the_end_chunk_may_be_missing(
    tmp_path: Path, depth: Any, interlaced: bool, end: bytes
) -> None:
    samples = images.scene().astype(depth)
    data = images.by_hand(samples, interlaced=interlaced)
    made = decode(tmp_path, data[:-12] + end)
    assert (made.pixels[:, :, ::-1] == samples).all()
    assert made.notes == ()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("interlaced", [False, True])
def test_samples_that_end_early_are_measured(tmp_path: Path, depth: Any, interlaced: bool) -> None:
    samples = images.scene(60, 100).astype(depth) + depth(1)
    raw = images.raw(samples, interlaced)
    for kept in (0.99, 0.95, 0.8, 0.3):
        start = raw[: int(kept * len(raw))]
        cut_off = zlib.compress(raw)
        for packed in (zlib.compress(start), cut_off[: int(kept * len(cut_off))]):
            data = images.by_hand(samples, interlaced=interlaced, packed=packed)
            if kept < 0.9:
                with pytest.raises(BadImage, match="PNG file is damaged or ends early") as caught:
                    decode(tmp_path, data)
                assert abs(caught.value.facts["measured"] - (1 - kept)) < 0.06
                continue
            made = decode(tmp_path, data)
            missing = (made.pixels[:, :, ::-1] != samples).any(axis=2)
            assert (made.pixels[missing] == 0).all()
            (note,) = made.notes
            said = int(note.partition("%")[0].rpartition(" ")[2].removeprefix("than"))
            assert abs(said / 100 - missing.mean()) <= 0.011
            if not interlaced:
                assert not missing[: int(0.93 * len(missing))].any()


def test_broken_samples_cost_the_rows_from_there_on(tmp_path: Path) -> None:
    samples = images.scene(60, 100)
    raw = bytearray(images.raw(samples))
    raw[97 * 181] = 9  # no filter has this number
    made = decode(tmp_path, images.by_hand(samples, packed=zlib.compress(raw)))
    assert (made.pixels[:97, :, ::-1] == samples[:97]).all()
    assert "3% of the picture is missing" in made.notes[0]
    packed = bytearray(zlib.compress(bytes(raw[: 98 * 181]), 0) + bytes(4000))
    packed[97 * 181 : 97 * 181 + 99] = b"\xff" * 99
    with pytest.raises(BadImage):
        decode(tmp_path, images.by_hand(samples, packed=b"\x78\x9c" + b"\xff" * 99))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_every_kind_of_samples_is_filled(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(images.scene(37, 100)).convert(mode)
    whole = images.encoded(image, optimize=False)
    start = whole.index(b"IDAT") - 4
    packed = whole[start + 8 : start + 8 + int.from_bytes(whole[start : start + 4], "big")]
    raw = zlib.decompress(packed)
    short = images.chunk(b"IDAT", zlib.compress(raw[: 95 * len(raw) // 100]))
    made = decode(tmp_path, whole[:start] + short + images.chunk(b"IEND", b""))
    assert made.notes == ("the PNG file is damaged or ends early: 5% of the picture is missing",)
    assert (made.pixels[:95] == decode(tmp_path, whole).pixels[:95]).all()


def test_wrong_checksum_over_the_samples_is_said(tmp_path: Path) -> None:
    samples = images.scene()
    packed = zlib.compress(images.raw(samples))
    made = decode(tmp_path, images.by_hand(samples, packed=packed[:-4] + b"abcd"))
    assert (made.pixels[:, :, ::-1] == samples).all()
    assert made.notes == (damage.WRONG_CHECKSUM,)


def test_sound_files_are_not_copied(tmp_path: Path) -> None:
    decode(tmp_path, images.png())
    decode(tmp_path, images.jpeg())
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=20))
def test_damaged_samples_raise_only_app_errors(at: int, change: bytes) -> None:
    packed = bytearray(zlib.compress(images.raw(images.scene(40, 30))))
    at %= len(packed)
    packed[at : at + len(change)] = change
    data = images.by_hand(images.scene(40, 30), packed=bytes(packed))
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = decode(Path(folder), data)
        except BadImage:
            return
    assert made.size == (40, 30)


@pytest.mark.parametrize("step", [700, 1 << 30])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_file_cut_off_within_its_samples(tmp_path: Path, channels: int, step: int) -> None:
    """In one chunk of samples or in several: what is there is decoded, and the rest measured."""
    samples = np.random.default_rng(0).integers(0, 256, (200, 20, channels), np.uint8)
    packed = zlib.compress(images.raw(samples))
    head, parts = images.by_hand(samples).split(b"IDAT")[0][:-4], range(0, len(packed), step)
    whole = head + b"".join(images.chunk(b"IDAT", packed[at : at + step]) for at in parts)
    expected = decode(tmp_path, whole)
    assert expected.notes == ()
    for kept in (0.98, 0.95, 0.91):
        made = decode(tmp_path, whole[: int(kept * len(whole))])
        same = (made.pixels == expected.pixels).reshape(200, -1).all(axis=1)
        missing = 1 - int(same.sum()) / 200
        assert abs(missing - (1 - kept)) < 0.02
        assert made.notes == (damage.missing("PNG", missing),)
    with pytest.raises(BadImage, match="4[0-9]% of the picture cannot be decoded"):
        decode(tmp_path, whole[: int(0.55 * len(whole))])
    for cut in range(len(whole) - 4, len(whole)):  # within the checksum
        assert (decode(tmp_path, whole[:cut]).pixels == expected.pixels).all()


def test_a_share_just_above_the_limit_is_said_to_the_tenth() -> None:
    for share, said in ((0.103, "10.3%"), (0.12, "12%")):
        with pytest.raises(BadImage, match=f": {said} of the picture cannot be decoded"):
            damage.missing("PNG", share)
    assert ": 10% of the picture is missing" in damage.missing("PNG", 0.0996)
