"""frames=all: frames are counted from headers, and limits count all of them together."""

from __future__ import annotations

import struct
import tempfile
from typing import Any, get_args

import pytest
from PIL import Image

from models import animation, memory_estimate, work_estimate
from models.errors import AppError, BadImage, BadParameter, TooManyPixels
from models.images.inspect import ImageHeader, InputFormat, OutputFormat, inspect, result_size
from models.operations import Encoding, Operation, parse
from models.result_bytes import most_bytes
from tests.support import animations, images

ALL = Encoding("webp", frames="all")
KEPT = parse("convert", {"format": "webp", "frames": "all"})
LARGE = 10**9


def look(data: bytes) -> ImageHeader:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return inspect(file, get_args(InputFormat))


def check(header: ImageHeader, *operations: Operation, **other: Any) -> int:
    asked = {"encoding": ALL, "max_pixels": LARGE, "max_output_pixels": LARGE, **other}
    limits = asked["max_pixels"], asked["max_output_pixels"]
    return animation.check(header, operations, asked["encoding"], *limits)[0]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("empty", [False, True])
def test_frames_are_counted(kind: str, empty: bool) -> None:
    header = look(animations.moving(kind, empty))
    assert (header.frames, header.width, header.height) == (5, *animations.SIDES)
    assert check(header) == 5
    assert check(header, encoding=Encoding("webp")) == 1
    still = images.encoded(Image.new("RGB", animations.SIDES), kind)
    assert look(still).frames == 1


def test_a_png_may_have_a_picture_before_its_animation() -> None:
    assert look(animations.moving("PNG", default_image=True)).frames == 4


@pytest.mark.parametrize(
    ("said", "frames"), [(0, 1), (1, 1), (3, 3), (1_000_000, 6), (2**31, 6), (2**32 - 1, 6)]
)
def test_a_png_lacks_one_frame_if_it_says_too_many(said: int, frames: int) -> None:
    assert look(animations.said_frames(animations.moving("PNG"), said)).frames == frames


def test_words_about_frames_after_the_samples_do_not_count() -> None:
    data = images.png(8, 8)
    late = animations.png_chunk(b"acTL", struct.pack(">II", 9, 0))
    control = animations.png_chunk(b"fcTL", bytes(26))
    assert look(data[:-12] + late + control * 9 + data[-12:]).frames == 1


def test_limits_count_all_frames() -> None:
    header = ImageHeader("gif", 100, 50, 8, 4, frames=20)
    assert check(header, max_pixels=100_000, max_output_pixels=100_000) == 20
    for limit in ("max_pixels", "max_output_pixels"):
        with pytest.raises(TooManyPixels) as caught:
            check(header, **{limit: 99_999})
        assert "20 frames of 100 x 50 = 100000 pixels" in caught.value.detail
        assert f"({limit.upper()}): 19 such frames pass" in caught.value.detail
        assert caught.value.facts["measured"] == 100_000
    most = animation.MAX_FRAMES
    assert check(ImageHeader("gif", 1, 1, 8, 4, frames=most)) == most
    with pytest.raises(BadParameter, match=f"has {most + 1} frames; at most {most} are kept"):
        check(ImageHeader("gif", 1, 1, 8, 4, frames=most + 1))


def test_a_bomb_is_refused_by_its_header() -> None:
    data = animations.bomb(1500, 1000, 1000)
    header = look(data)
    assert len(data) < 3_000_000 and header.frames == 1500
    with pytest.raises(TooManyPixels, match="= 1500000000 pixels"):
        check(header)


@pytest.mark.parametrize(
    "operation",
    [
        parse("upscale", {"scale": "2"}),
        parse("restore", {}),
        parse("split", {}),
        parse("smartcrop", {"ratio": "1:1"}),
        parse("trim", {}),
    ],
)
def test_operations_that_do_not_suit(operation: Operation) -> None:
    header = ImageHeader("gif", 10, 10, 8, 4, frames=2)
    with pytest.raises(BadParameter, match=f"not through {operation.op}") as caught:
        check(header, operation)
    assert {"resize", "thumbnail", "crop", "rotate", "flip", "grayscale", "convert"} <= {
        *caught.value.facts["known"]
    }
    assert check(ImageHeader("gif", 10, 10), operation) == 1  # a still picture


def test_other_refusals() -> None:
    with pytest.raises(BadParameter, match="8 bits a sample, not of 16"):
        check(ImageHeader("png", 10, 10, 16, 3, frames=2))
    for asked in (Encoding("gif"), Encoding("gif", frames="all")):
        with pytest.raises(BadParameter, match="is not animated"):
            check(ImageHeader("png", 10, 10, 8, 3), encoding=asked)


@pytest.mark.parametrize("output", ["webp", "png", "gif"])
def test_predictions_count_what_it_becomes(output: OutputFormat) -> None:
    kept = [parse("convert", {"format": output, "frames": "all"})]
    few, many = (ImageHeader("gif", 400, 300, 8, 4, frames=n) for n in (10, 100))
    found = []
    for header in (few, many):
        sizes = [(400, 300)] * header.frames
        parts = work_estimate.estimate(header, kept, output, sizes)
        assert dict(parts)[f"encode {output} animated"] > 0
        found.append(
            (
                sum(seconds for name, seconds in parts if name != "store"),
                most_bytes(header, kept, output, sizes),
                memory_estimate.predict(header, kept, output),
            )
        )
    assert found[1][0] == pytest.approx(10 * found[0][0])
    assert found[1][1] == pytest.approx(10 * found[0][1])
    # Frames are in memory one at a time; a WebP is put together there.
    assert (found[1][2] > found[0][2]) == (output == "webp")
    still = memory_estimate.predict(few, [], "png")
    assert found[0][2] > still


def size_of(data: bytes, output: OutputFormat, frames: int) -> tuple[int, int]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return result_size(file, output, frames)


@pytest.mark.parametrize("output", ["webp", "png", "gif"])
def test_a_result_has_no_more_frames_than_were_asked_for(output: OutputFormat) -> None:
    data = animations.moving(output.upper())
    assert size_of(data, output, 5) == size_of(data, output, 9) == animations.SIDES
    for frames in (1, 4):
        with pytest.raises(BadImage):
            size_of(data, output, frames)
    for broken in (data[:-1], data + b"\0", data[: len(data) // 2]):
        if output != "png":  # its end is looked at where results are collected
            with pytest.raises(AppError):
                size_of(broken, output, 5)
