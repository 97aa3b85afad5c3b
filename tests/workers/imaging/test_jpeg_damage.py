"""JPEGs without an end, cut off or damaged: what is whole is decoded, what is missing is said."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models.errors import AppError, BadImage
from models.images import jpeg
from tests.support import images
from tests.workers.imaging.rare_jpegs import ARITHMETIC, LOSSLESS, RARE_SAMPLING
from workers.imaging import damage, jpeg_damage, mending, notes
from workers.imaging.picture import Picture

END = b"\xff\xd9"
WIDTH, HEIGHT = 160, 320


def picture(mode: str = "RGB", **options: Any) -> bytes:
    image = Image.fromarray(images.scene(WIDTH, HEIGHT)).convert(mode)
    return images.encoded(image, "JPEG", **{"quality": 85, **options})


def gray_with_factors() -> bytes:
    """Return a gray JPEG with factors that simplejpeg does not know; they mean nothing there."""
    data = bytearray(picture("L"))
    data[data.index(b"\xff\xc0") + 11] = 0x14
    return bytes(data)


SEQUENTIAL = {
    "4:2:0": picture(),
    "4:4:4": picture(subsampling=0),
    "own codes": picture(optimize=True),
    "gray": picture("L"),
    "CMYK": picture("CMYK"),
    "gray with factors": gray_with_factors(),
    "restarts each row": picture(restart_marker_rows=1),
    "restarts within rows": picture(restart_marker_blocks=7),
}
WHOLE = {
    **SEQUENTIAL,
    "progressive": picture(progressive=True),
    "progressive with restarts": picture(progressive=True, restart_marker_rows=2),
    "arithmetic": ARITHMETIC,
    "lossless": LOSSLESS,
    "rare sampling": RARE_SAMPLING,
}
FILM = b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).integers(0, 256, 99_999, np.uint8).tobytes()


def decode(folder: Path, data: bytes) -> Picture:
    path = folder / "original"
    path.write_bytes(data)
    return mending.decode(path, folder, 10**6)


def pixels(data: bytes) -> NDArray[Any]:
    """Return what Pillow alone decodes."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L"), int)


def share(note: str) -> float:
    """Return the share that a note or an error names."""
    found = re.search(r"(\d+)%", note)
    assert found, note
    return int(found[1]) / 100


def cut(whole: bytes, kept: float) -> bytes:
    """Return the start of a JPEG with the share ``kept`` of the data of its last scan."""
    scan = jpeg.read_layout(whole).scans[-1]
    return whole[: scan.start + int(kept * (scan.end - scan.start))]


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize(
    ("removed", "appended"),
    [
        (0, b""),
        (2, b""),
        (1, b""),
        (2, b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1534084253456" + FILM + b"SEFT"),  # Samsung
        (2, b"SEFHk\0\0\0\1\0\0\0SEFT"),
        (2, bytes(512)),
        (2, bytes(512) + END),
        (2, b"\xff" * 9 + END),
        (2, b"\xff\xc0\0\x11\x08\0\1\0\1" + bytes(20)),
        (0, FILM),
        (0, images.jpeg(16, 16)),
    ],
)
def test_whole_pictures_come_out_whole(
    tmp_path: Path, kind: str, removed: int, appended: bytes
) -> None:
    whole = WHOLE[kind]
    data = whole[: len(whole) - removed] + appended
    assert jpeg_damage.examine(data) is None
    expected, made = decode(tmp_path, whole), decode(tmp_path, data)
    assert (made.pixels == expected.pixels).all()
    video = (notes.VIDEO,) if FILM in appended else ()
    assert made.notes == (*expected.notes, *video)


@pytest.mark.parametrize("kind", SEQUENTIAL)
@pytest.mark.parametrize("end", [b"", END])
def test_the_missing_share_is_measured(tmp_path: Path, kind: str, end: bytes) -> None:
    whole = SEQUENTIAL[kind]
    for kept in (0.2, 0.5, 0.8, 0.97):
        data = cut(whole, kept) + end
        gray = pixels(cut(whole, kept) + END)
        # Rows that differ; libjpeg's gray may be the picture's colour by chance.
        truth = 1 - int((gray != pixels(whole)).any(axis=1).argmax()) / HEIGHT
        if kept < 0.9:
            with pytest.raises(BadImage) as caught:
                decode(tmp_path, data)
            note = str(caught.value)
            assert caught.value.facts["limit"] == damage.MAX_MISSING_SHARE
            assert caught.value.facts["measured"] > damage.MAX_MISSING_SHARE
        else:
            note = decode(tmp_path, data).notes[-1]
        assert "the JPEG file is damaged or ends early" in note
        assert abs(share(note) - truth) <= 0.06  # a row of blocks is a twentieth


def test_the_first_pixels_stay(tmp_path: Path) -> None:
    data = cut(SEQUENTIAL["4:4:4"], 0.97)
    made = decode(tmp_path, data)
    known = int(HEIGHT * (1 - share(made.notes[-1]) - 0.03))
    expected = decode(tmp_path, SEQUENTIAL["4:4:4"])
    assert (made.pixels[:known] == expected.pixels[:known]).all()


@pytest.mark.parametrize("kind", ["restarts each row", "restarts within rows"])
def test_damage_between_restart_markers_costs_only_their_interval(
    tmp_path: Path, kind: str
) -> None:
    data = bytearray(SEQUENTIAL[kind])
    scan = jpeg.read_layout(bytes(data)).scans[0]
    markers = list(re.finditer(rb"\xff[\xd0-\xd7]", data[scan.start : scan.end]))
    middle = scan.start + markers[len(markers) // 2].end()
    data[middle : middle + 30] = b"\xfe" * 30
    made = decode(tmp_path, bytes(data))
    assert made.notes[-1].endswith("of the picture is missing")
    wrong = np.abs(made.pixels.astype(int) - decode(tmp_path, SEQUENTIAL[kind]).pixels) > 40
    assert wrong.any(axis=(1, 2)).mean() <= 0.15
    removed = bytes(data[:middle]) + bytes(data[middle + len(data) // 3 :])
    with pytest.raises(BadImage, match="3[0-9]% of the picture cannot be decoded"):
        decode(tmp_path, removed)


@pytest.mark.parametrize("kind", ["4:2:0", "own codes", "gray", "CMYK"])
def test_codes_that_do_not_exist_are_damage_from_there_on(tmp_path: Path, kind: str) -> None:
    """All ones is no Huffman code."""
    for at, refused in ((0.5, True), (0.96, False)):
        data = bytearray(SEQUENTIAL[kind])
        start = len(cut(bytes(data), at))
        data[start : start + 24] = b"\xff\0" * 12
        if refused:
            with pytest.raises(BadImage, match=r"[45]\d% of the picture cannot be decoded"):
                decode(tmp_path, bytes(data))
        else:
            assert share(decode(tmp_path, bytes(data)).notes[-1]) <= damage.MAX_MISSING_SHARE


def test_data_that_are_left_over_are_said(tmp_path: Path) -> None:
    whole = SEQUENTIAL["4:2:0"]
    middle = len(cut(whole, 0.5))
    twice = whole[:middle] + whole[middle - 900 : middle] + whole[middle:]
    note = decode(tmp_path, twice).notes[-1]
    assert "of its data were left over after the last pixel" in note
    assert share(note) == pytest.approx(900 / len(whole), abs=0.03)
    few = whole[:-2] + b"\1\2" + END  # some encoders fill up a word
    assert decode(tmp_path, few).notes == ()


def test_metadata_that_libjpeg_warns_of_hide_no_damage(tmp_path: Path) -> None:
    whole = SEQUENTIAL["4:2:0"]
    # An ICC profile of which parts are missing, and an unknown colour transformation.
    odd = b"\xff\xe2\0\x12ICC_PROFILE\0\5\1ab" + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\7"
    assert jpeg_damage.examine(whole[:2] + odd + whole[2:]) is None
    data = whole[:2] + odd + cut(whole, 0.97)[2:]
    assert "of the picture is missing, and more may be wrong" in decode(tmp_path, data).notes[-1]


@pytest.mark.parametrize("kind", ["progressive", "progressive with restarts"])
@pytest.mark.parametrize("end", [b"", END])
def test_a_progressive_jpeg_without_its_last_scans_lacks_detail(
    tmp_path: Path, kind: str, end: bytes
) -> None:
    whole = WHOLE[kind]
    scans = jpeg.read_layout(whole).scans
    for at in (scans[1].end, scans[4].header, (scans[-1].start + scans[-1].end) // 2):
        assert decode(tmp_path, whole[:at] + end).notes == (damage.LESS_DETAIL,)
    with pytest.raises(BadImage, match="of the picture cannot be decoded"):
        decode(tmp_path, whole[: (scans[0].start + scans[0].end) // 2] + end)


def test_a_jpeg_without_a_component_is_refused(tmp_path: Path) -> None:
    """Luma alone, of a picture whose components have a scan each."""
    whole = SEQUENTIAL["4:4:4"]
    start = jpeg.read_layout(whole).scans[0].header
    luma = whole[:start] + bytes.fromhex("ffda0008 0101 00 003f00") + whole[start + 14 :]
    with pytest.raises(BadImage, match="100% of the picture cannot be decoded"):
        decode(tmp_path, luma)


@pytest.mark.parametrize("end", [b"", END])
def test_rare_sampling_factors_are_judged_without_warnings(tmp_path: Path, end: bytes) -> None:
    with pytest.raises(BadImage, match=r"[45]\d% of the picture cannot be decoded"):
        decode(tmp_path, cut(RARE_SAMPLING, 0.5) + end)


def test_arithmetic_data_that_end_early_are_said(tmp_path: Path) -> None:
    """Their decoder goes on without a warning, as it must: a coder leaves out zeros at the end."""
    for data in (cut(ARITHMETIC, 0.5), cut(ARITHMETIC, 0.5) + END):
        note = decode(tmp_path, data).notes[-1]
        assert "may end early" in note
        assert 0.4 < share(note) < 0.65


def test_a_lossless_jpeg_is_decoded_exactly_and_never_scaled(tmp_path: Path) -> None:
    y, x = np.mgrid[0:16, 0:24]
    path = tmp_path / "original"
    path.write_bytes(LOSSLESS)
    made = mending.decode(path, tmp_path, 10**6, lambda *_: (3, 2))
    assert (made.pixels[:, :, ::-1] == np.stack([x * 10, y * 15, (x + y) * 6], axis=2)).all()
    with pytest.raises(BadImage):
        decode(tmp_path, cut(LOSSLESS, 0.5) + END)


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_damaged_files_raise_only_app_errors(kind: str, at: int, change: bytes) -> None:
    data = bytearray(WHOLE[kind])
    at %= len(data)
    data[at : at + len(change)] = change
    try:
        note = jpeg_damage.examine(bytes(data))
    except AppError:
        return
    assert note is None or note.startswith("the JPEG file")
