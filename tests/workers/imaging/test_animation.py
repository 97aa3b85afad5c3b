"""Animations that are kept: each frame against the same frame made by hand, and hostile files."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from models.errors import AppError, BadImage, BadParameter, TooManyPixels
from models.images.encoder_settings import DEFAULT
from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Encoding, Operation, parse
from models.operations.spec import EncodedQuality
from tests.support import animations, images
from workers.imaging import notes
from workers.imaging.writer import Output
from workers.pipeline import Limits, Pipeline

OUTPUTS: list[OutputFormat] = ["gif", "webp", "png"]
INPUTS = ["GIF", "WEBP", "PNG"]
MANY = 10**7


def process(
    tmp_path: Path,
    data: bytes,
    output: OutputFormat,
    operations: Sequence[Operation] = (),
    max_pixels: int = MANY,
    metadata: MetadataChoice = "none",
    told: list[float] | None = None,
) -> tuple[bytes, Output]:
    """Return the result of the pipeline with frames=all; a WebP is lossless."""
    (tmp_path / "original").write_bytes(data)
    progress = (lambda _: None) if told is None else told.append
    quality: EncodedQuality = "lossless" if output == "webp" else None
    pipeline = Pipeline(
        operations,
        Encoding(output, quality, frames="all"),
        Catalogue.read(tmp_path),
        Limits(max_pixels, MANY, 0),
        progress,
        metadata=metadata,
        writing=DEFAULT,
    )
    (made,) = pipeline.process(tmp_path / "original", tmp_path, max_pixels).results
    return Path(made.path).read_bytes(), made


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("empty", [False, True])
def test_frames_durations_and_loop_stay(
    tmp_path: Path, kind: str, output: OutputFormat, empty: bool
) -> None:
    told: list[float] = []
    flip = parse("flip", {"direction": "horizontal"})
    source = animations.moving(kind, empty)
    data, made = process(tmp_path, source, output, [flip], told=told)
    found = animations.frames(data)
    assert [shown for _, shown in found] == list(animations.DURATIONS)
    for (canvas, _), wanted in zip(found, animations.canvases(empty), strict=True):
        assert (canvas == wanted[:, ::-1]).all()
    assert animations.plays(data) == animations.plays(source)
    assert (made.width, made.height, made.notes) == (*animations.SIDES, ())
    assert told == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize("output", OUTPUTS)
def test_operations_are_those_of_a_still_picture(tmp_path: Path, output: OutputFormat) -> None:
    operations = [
        parse("crop", {"x": "2", "y": "3", "width": "30", "height": "24"}),
        parse("resize", {"width": "60", "height": "30", "fit": "pad"}),
        parse("rotate", {"angle": "90"}),
        parse("grayscale", {}),
        parse("thumbnail", {"width": "20", "height": "20"}),
    ]
    data, made = process(tmp_path, animations.moving("PNG"), output, operations)
    found = animations.frames(data)
    assert len(found) == 5 and (made.width, made.height) == (10, 20)
    for (canvas, _), source in zip(found, animations.canvases(), strict=True):
        still = images.encoded(Image.fromarray(source))
        (tmp_path / "still").write_bytes(still)
        pipeline = Pipeline(
            operations, Encoding("png"), Catalogue.read(tmp_path), Limits(MANY, MANY, 0), _nothing
        )
        (one,) = pipeline.process(tmp_path / "still", tmp_path / "..", MANY).results
        wanted = np.asarray(images.decoded(Path(one.path).read_bytes()).convert("RGBA"))
        Path(one.path).unlink()
        assert (canvas == wanted).all()


def _nothing(_: float) -> None:
    pass


@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_frames_of_a_part_are_composed(tmp_path: Path, disposal: int) -> None:
    """Disposal and blending as the specification says: what is shown counts, not what is stored."""
    blue, red, half = (0, 0, 255, 255), (255, 0, 0, 255), (200, 100, 0, 128)
    source = animations.composed_png(
        (20, 10),
        [
            ((0, 0, 10, 10), blue, 0, 0),  # the right half stays empty
            ((5, 2, 10, 4), half, disposal, 1),
            ((0, 8, 1, 1), red, 0, 1),
        ],
    )
    found = [canvas for canvas, _ in animations.frames(process(tmp_path, source, "png")[0])]
    assert len(found) == 3
    assert tuple(found[0][3, 3]) == tuple(found[1][0, 0]) == blue
    assert tuple(found[0][3, 12]) == (0, 0, 0, 0)
    over = (100, 50, 127, 255)  # half of each, opaque as what is below
    assert tuple(found[1][3, 7]) == over and tuple(found[1][3, 12]) == half
    left = {0: (over, half), 1: ((0, 0, 0, 0), (0, 0, 0, 0)), 2: (blue, (0, 0, 0, 0))}
    assert (tuple(found[2][3, 7]), tuple(found[2][3, 12])) == left[disposal]
    assert tuple(found[2][8, 0]) == red


def test_half_transparent_frames_add_up(tmp_path: Path) -> None:
    half = (200, 100, 0, 128)
    frames = [((0, 0, 4, 300), half, 0, 1)] * 2
    source = animations.composed_png((4, 300), frames)
    found = animations.frames(process(tmp_path, source, "png")[0])
    assert (found[0][0] == half).all()
    assert (found[1][0] == (200, 100, 0, 192)).all()  # 1 - (1 - 128 / 255) ** 2


@pytest.mark.parametrize("output", OUTPUTS)
def test_equal_frames(tmp_path: Path, output: OutputFormat) -> None:
    one = Image.new("RGB", (12, 9), (10, 20, 30))
    dot = one.copy()
    dot.putpixel((11, 8), (200, 0, 0))
    source = images.encoded(
        one, "PNG", save_all=True, append_images=[dot, one], duration=[100, 100, 300]
    )
    (data, _) = process(tmp_path, source, output)
    found = animations.frames(data)
    assert sum(shown or 0 for _, shown in found) == 500
    assert [tuple(canvas[8, 11]) for canvas, _ in found] == [
        (10, 20, 30, 255),
        (200, 0, 0, 255),
        (10, 20, 30, 255),
    ]


def test_a_picture_before_the_animation_is_no_part_of_it(tmp_path: Path) -> None:
    source = animations.moving("PNG", default_image=True)
    found = animations.frames(process(tmp_path, source, "gif")[0])
    assert len(found) == 4
    assert (found[0][0] == animations.canvases()[1]).all()


def test_what_a_gif_cannot_hold_is_said(tmp_path: Path) -> None:
    scene = images.scene(48, 40)
    alpha = np.full((40, 48), 255, np.uint8)
    alpha[:8], alpha[8:16] = 100, 200
    first = Image.fromarray(np.dstack([scene, alpha]))
    second = Image.fromarray(np.dstack([scene[::-1], alpha]))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = images.encoded(
        first,
        "PNG",
        save_all=True,
        append_images=[second],
        duration=[16, 3],
        dpi=(300, 300),
        icc_profile=srgb,
    )
    data, made = process(tmp_path, source, "gif")
    lost = (notes.COLOURS_REDUCED, notes.DURATIONS, notes.HALF_TRANSPARENT, notes.PROFILE_APPLIED)
    assert set(made.notes) == {*lost, notes.RESOLUTION_LOST.format("300 dpi", "GIF")}
    found = animations.frames(data)
    assert [shown for _, shown in found] == [20, 20]
    for (canvas, _), wanted in zip(found, (scene, scene[::-1]), strict=True):
        assert (canvas[:8] == 0).all() and (canvas[8:, :, 3] == 255).all()
        assert cv2.PSNR(np.ascontiguousarray(canvas[8:, :, :3]), wanted[8:].copy()) > 25
    data, made = process(tmp_path, source, "png")
    assert made.notes == ()
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == srgb


@pytest.mark.parametrize(
    ("colours", "hole", "exact"),
    [
        (256, False, True),
        (257, False, False),
        (255, True, True),
        (256, True, False),
        (1, True, True),
    ],
)
def test_colours_of_a_gif_are_exact_as_long_as_they_fit(
    tmp_path: Path, colours: int, hole: bool, exact: bool
) -> None:
    canvas = np.full((20, 20, 4), 255, np.uint8)
    numbers = np.arange(400).reshape(20, 20) % colours
    canvas[:, :, 0], canvas[:, :, 1] = numbers % 200, numbers // 200 * 90
    if hole:
        canvas[19] = 0
    other = canvas.copy()
    other[0, 0] = (9, 9, 9, 255) if not hole else (0, 0, 0, 0)
    made = [Image.fromarray(each) for each in (canvas, other)]
    source = images.encoded(made[0], "PNG", save_all=True, append_images=made[1:])
    data, output = process(tmp_path, source, "gif")
    assert (notes.COLOURS_REDUCED not in output.notes) == exact
    for (found, _), wanted in zip(animations.frames(data), (canvas, other), strict=True):
        assert (found[:, :, 3] == wanted[:, :, 3]).all()
        assert (found == wanted).all() == exact


def test_metadata_is_kept_as_that_of_a_still_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8298] = "me"  # copyright
    source = animations.moving("WEBP", exif=exif)
    for output in ("webp", "png"):
        data, _ = process(tmp_path, source, output, metadata="safe")
        assert Image.open(io.BytesIO(data)).getexif()[0x8298] == "me"
        data, made = process(tmp_path, source, output)
        assert not Image.open(io.BytesIO(data)).getexif()
        assert any(note.startswith("metadata was dropped: EXIF") for note in made.notes)
    _, made = process(tmp_path, source, "gif", metadata="all")
    assert notes.UNHELD_METADATA.format("EXIF", "GIF") in made.notes


def test_a_turned_animation_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    data, made = process(tmp_path, animations.moving("WEBP", exif=exif), "png")
    assert (made.width, made.height) == animations.SIDES[::-1]
    for (canvas, _), wanted in zip(animations.frames(data), animations.canvases(), strict=True):
        assert (canvas == np.rot90(wanted, -1)).all()


def test_a_gray_animation(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(40, dtype=np.uint8), (10, 1))
    one, other = Image.fromarray(ramp), Image.fromarray(ramp[:, ::-1].copy())
    source = images.encoded(one, "PNG", save_all=True, append_images=[other])
    for output in OUTPUTS:
        found = animations.frames(process(tmp_path, source, output)[0])
        for (canvas, _), wanted in zip(found, (ramp, ramp[:, ::-1]), strict=True):
            assert (canvas[:, :, :3] == wanted[:, :, None]).all()


def test_limits_hold_in_the_child(tmp_path: Path) -> None:
    source = animations.moving("GIF")
    pixels = 5 * animations.SIDES[0] * animations.SIDES[1]
    process(tmp_path, source, "gif", max_pixels=pixels)
    with pytest.raises(TooManyPixels, match="5 frames of 40 x 30"):
        process(tmp_path, source, "gif", max_pixels=pixels - 1)
    with pytest.raises(BadParameter, match="not through split"):
        process(tmp_path, source, "gif", [parse("split", {})])
    with pytest.raises(BadParameter, match="is not animated"):
        process(tmp_path, images.png(8, 8), "gif")
    with pytest.raises(TooManyPixels):
        process(tmp_path, animations.bomb(1500), "webp")


def test_a_still_picture_is_what_it_was(tmp_path: Path) -> None:
    deep = cv2.imencode(".png", np.full((8, 8, 3), 40_000, np.uint16))[1].tobytes()
    data, _ = process(tmp_path, deep, "png")
    assert data[24] == 16 and b"acTL" not in data


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_frame_past_the_canvas_is_refused(tmp_path: Path, output: OutputFormat) -> None:
    source = bytearray(animations.bomb(3, 20, 10))
    at = source.rindex(b"," + struct.pack("<HHHH", 0, 0, 20, 10))
    struct.pack_into("<HHHH", source, at + 1, 0, 0, 60_000, 60_000)
    with pytest.raises(BadImage, match="frame 3 of the animation reaches past its canvas"):
        process(tmp_path, bytes(source), output)


@pytest.mark.parametrize("kind", INPUTS)
def test_damage_is_refused_and_never_crashes(tmp_path: Path, kind: str) -> None:
    """Shortened and changed files: an error with words, or an animation that can be read."""
    data = animations.moving(kind)
    for share in (0.5, 0.8, 0.95):
        with pytest.raises(AppError):
            process(tmp_path, data[: int(len(data) * share)], "gif")
    random = np.random.default_rng(7)
    for _ in range(60):
        changed = bytearray(data)
        for at in random.integers(8, len(data), 3):
            changed[at] = random.integers(256)
        try:
            made, _ = process(tmp_path, bytes(changed), "gif", max_pixels=100_000)
        except AppError:
            continue
        assert 1 <= len(animations.frames(made)) <= 20


def test_a_png_that_says_more_frames_than_it_has(tmp_path: Path) -> None:
    source = animations.said_frames(animations.moving("PNG"), 3)
    assert len(animations.frames(process(tmp_path, source, "gif")[0])) == 3
    source = animations.said_frames(animations.moving("PNG"), 1_000_000)
    with pytest.raises(BadImage, match="frame 6 of 6 cannot be decoded: it is missing"):
        process(tmp_path, source, "gif")
