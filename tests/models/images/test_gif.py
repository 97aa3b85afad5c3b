"""GIF on legacy routes: walked without decoding, first frame, size of the canvas."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import AppError, BadImage, TooManyPixels, UnsupportedFormat
from models.images.inspect import ACCEPTED_FORMATS, ImageHeader, InputFormat, inspect, sniff
from tests.support import images
from workers.imaging import codec

ALL: tuple[InputFormat, ...] = ("png", "jpeg", "gif")


def look(data: bytes, accepted: tuple[InputFormat, ...] = ALL) -> ImageHeader:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return inspect(file, accepted)


def gif(frames: int = 1, width: int = 41, height: int = 29, **options: object) -> bytes:
    made = [Image.fromarray(images.scene(width, height, seed)) for seed in range(frames)]
    return images.encoded(made[0], "GIF", save_all=frames > 1, append_images=made[1:], **options)


def by_hand(screen: tuple[int, int], frame: tuple[int, int, int, int]) -> bytes:
    """Return a GIF of two colours, no pixel of which is written."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", *frame, 0) + b"\x02\x02\x44\x01\x00;"


@pytest.mark.parametrize(
    ("data", "frames"),
    [(gif(), 1), (gif(3), 3), (gif(interlace=1), 1), (gif(2, comment=b"x" * 3000), 2)],
)
def test_headers(data: bytes, frames: int) -> None:
    assert look(data) == ImageHeader("gif", 41, 29, 8, 4, frames=frames)
    assert look(data).format == "png"


def test_gif_is_accepted_only_where_listed() -> None:
    assert ACCEPTED_FORMATS == ("png", "jpeg")
    cases: list[tuple[tuple[InputFormat, ...], str]] = [
        (
            ACCEPTED_FORMATS,
            "the format of the file is GIF, judged by its first bytes; send PNG or JPEG",
        ),
        (("png",), "send PNG"),
    ]
    for accepted, sentence in cases:
        with pytest.raises(UnsupportedFormat, match=f"{sentence}$") as caught:
            look(gif(), accepted)
        assert caught.value.facts == {"measured": "GIF", "accepted": list(accepted)}
    assert sniff(gif()[:16], ALL) == "gif"
    with pytest.raises(UnsupportedFormat, match="send PNG, JPEG or GIF$"):
        sniff(b"BM", ALL)
    assert look(images.png(), ALL).kind == "png"
    with pytest.raises(UnsupportedFormat, match="the format of the file is PNG.*send GIF"):
        sniff(images.png()[:16], ("gif",))


@pytest.mark.parametrize("whole", [gif(), gif(2)])
def test_truncated_anywhere_is_refused(whole: bytes) -> None:
    for length in range(6, len(whole) - 1, max(1, len(whole) // 150)):
        with pytest.raises(BadImage, match="GIF file is (truncated|broken)"):
            look(whole[:length])


def test_canvas_grows_with_the_first_frame(tmp_path: Path) -> None:
    for screen, frame, size in (
        ((50_000, 50_000), (0, 0, 1, 1), (50_000, 50_000)),
        ((1, 1), (9, 8, 7, 6), (16, 14)),
        ((0, 0), (0, 0, 3, 2), (3, 2)),
        ((10, 10), (65_535, 65_535, 65_535, 65_535), (131_070, 131_070)),
    ):
        header = look(by_hand(screen, frame))
        assert (header.width, header.height) == size
    path = tmp_path / "bomb"
    for data in (
        by_hand((50_000, 50_000), (0, 0, 1, 1)),
        by_hand((10, 10), (65_535, 65_535, 65_535, 65_535)),
    ):
        path.write_bytes(data)
        with pytest.raises(TooManyPixels, match="at most 1000000"):
            codec.decode(path, 1_000_000)


def test_hostile_structures_are_refused_with_a_reason() -> None:
    head = gif()[:13]
    head = head[:10] + b"\0" + head[11:]
    for body, sentence in (
        (b"", "truncated"),
        (b";", "holds no picture"),
        (b"," + bytes(9) + b"\x02\x00;", "holds no picture"),
        (b"!\xfe" + b"\x01a" * 1_000_001, "1000000 blocks of data"),
        (b"!\xfe\x00" * 100_001 + b";", "100000 blocks"),
        (b"\x07" * 200_000 + b";", "100000 blocks"),
        (b"!\xfe\xff", "truncated"),
        (b",\0", "truncated"),
    ):
        with pytest.raises(BadImage, match=sentence):
            look(head + body)
    with pytest.raises(BadImage, match="does not begin with a header"):
        look(b"GIF88a" + gif()[6:])


def test_stray_bytes_between_blocks_and_after_the_end_are_ignored() -> None:
    whole = gif()
    assert look(whole[:-1] + b"\0\0;" + b"rubbish").width == 41


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_mutated_files_raise_only_app_errors(at: int, change: bytes) -> None:
    data = bytearray(gif(2, 12, 9))
    at %= len(data)
    data[at : at + len(change)] = change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(bytes(data))
        try:
            header = look(bytes(data))
            picture = codec.decode(path, 10**6)
        except AppError:
            return
    assert (header.width, header.height) == picture.size


def test_first_frame_of_an_animation_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(gif(3))
    picture = codec.decode(path, 10**6)
    with Image.open(path) as file:
        expected = np.asarray(file.convert("RGB"))
    assert (picture.pixels[:, :, ::-1] == expected).all()
    assert picture.alpha is None
    assert images.psnr(picture.pixels[:, :, ::-1], images.scene(41, 29)) > 25


def test_transparency_is_kept(tmp_path: Path) -> None:
    image = Image.new("RGBA", (9, 7), (200, 30, 40, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 7))
    path = tmp_path / "picture"
    path.write_bytes(images.encoded(image, "GIF"))
    picture = codec.decode(path, 10**6)
    assert picture.alpha is not None
    assert (picture.alpha[:, :4] == 0).all()
    assert (picture.alpha[:, 4:] == 255).all()
    assert (picture.pixels[:, 4:] == (40, 30, 200)).all()


def test_gray_with_transparency(tmp_path: Path) -> None:
    plane = np.arange(63, dtype=np.uint8).reshape(7, 9) * 4
    path = tmp_path / "picture"
    path.write_bytes(images.encoded(Image.fromarray(plane), "GIF", transparency=8))
    picture = codec.decode(path, 10**6)
    assert picture.alpha is not None
    gray = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, 0]
    assert (gray[picture.alpha == 255] == plane[picture.alpha == 255]).all()
    assert (picture.alpha == 0).sum() == 1
