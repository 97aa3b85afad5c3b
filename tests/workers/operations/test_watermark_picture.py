"""The watermark that is a picture: size, place, mixing in every layout and depth, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models import memory_estimate
from models.errors import BadImage, BadParameter, TooManyPixels
from models.images.inspect import ImageHeader
from models.networks.catalogue import Catalogue
from models.operations import Encoding, Operation, parse
from models.operations.watermark import FIELD, Place, Watermark
from models.operations.watermark_picture import MAX_PIXELS, check_header, resolve, sent_in
from tests.support.icc_profiles import DISPLAY_P3, matrix_profile
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, refusal, tools
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools
from workers.pipeline import Limits, Pipeline

SHA256 = "0123456789abcdef" * 4


def mark(**said: Any) -> Watermark:
    return Watermark(picture=SHA256, **said)


def using(second: Picture) -> Tools:
    return replace(tools(), watermark=lambda: second)


def logo(width: int = 20, height: int = 10, value: int = 200) -> Picture:
    return Picture(np.full((height, width, 3), value, np.uint8))


def flat(width: int, height: int, value: int = 100) -> Picture:
    return Picture(np.full((height, width, 3), value, np.uint8))


def hit(before: Picture, after: Picture) -> tuple[int, int, int, int]:
    """Return the first column and row that changed, and those after the last."""
    rows, columns = np.nonzero((before.pixels != after.pixels).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("place", [place for place in get_args(Place) if place != "tile"])
def test_it_stands_where_it_was_asked_for(place: Place) -> None:
    source = flat(200, 120)
    left, top, right, bottom = hit(
        source, apply(source, mark(place=place, share=30), using(logo()))
    )
    assert (right - left, bottom - top) == (60, 30)
    words, margin = place.split("-"), 3
    assert (
        left
        == {True: margin, False: 200 - 60 - margin if "right" in words else 70}["left" in words]
    )
    assert (
        top == {True: margin, False: 120 - 30 - margin if "bottom" in words else 45}["top" in words]
    )


def test_it_fits_into_every_picture() -> None:
    source = flat(200, 50)
    assert hit(source, apply(source, mark(share=100), using(logo(40, 40)))) == (149, 0, 199, 50)
    for size in ((1, 1), (1, 300), (300, 1), (3, 2)):
        for share in (1, 100):
            for place in ("tile", "bottom-right"):
                made = apply(flat(*size), mark(share=share, place=place), using(logo()))
                assert made.size == size
    whole = apply(source, mark(share=100, place="center"), using(logo(20, 5)))
    assert hit(source, whole) == (0, 0, 200, 50)


def test_tiles_reach_every_part() -> None:
    source = flat(400, 300)
    made = apply(source, mark(place="tile", share=10, opacity=100), using(logo()))
    changed = (made.pixels != source.pixels).any(axis=2)
    for row in range(0, 300, 75):
        for column in range(0, 400, 100):
            assert changed[row : row + 75, column : column + 100].any()
    assert 0.1 < changed.mean() < 0.4 and (made.pixels[changed] == 200).all()


def in_layout(rgb: NDArray[np.uint8], gray: bool, deep: bool) -> Samples:
    samples: Samples = rgb[:, :, 1].copy() if gray else rgb.copy()
    return samples.astype(np.uint16) * np.array(257, np.uint16) if deep else samples


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("second_gray", [False, True])
@pytest.mark.parametrize("second_deep", [False, True])
def test_mixing_matches_the_definition(
    gray: bool, deep: bool, alpha: bool, second_gray: bool, second_deep: bool
) -> None:
    """Colour and alpha of Porter and Duff's "over", of a picture in its own size."""
    white = 65535 if deep else 255
    pixels = in_layout(bgr(60, 40), gray, deep)
    below = np.tile(np.linspace(0, white, 60), (40, 1)).astype(pixels.dtype)
    colour = bgr(30, 20)[::-1]
    opacity = np.tile(np.linspace(0, 255, 20).astype(np.uint8)[:, None], (1, 30))
    factor = np.array(257, np.uint16)
    second = Picture(
        in_layout(colour, second_gray, second_deep),
        opacity.astype(np.uint16) * factor if second_deep else opacity,
    )
    source = Picture(pixels, below if alpha else None, b"profile")
    made = apply(source, mark(share=50, place="center", opacity=60), using(second))
    share = np.zeros((40, 60, 1))
    share[10:30, 15:45, 0] = opacity / 255 * 0.6
    over = np.zeros((40, 60, 3))
    shown = colour[:, :, [1, 1, 1]] if second_gray else colour
    over[10:30, 15:45] = shown / 255
    if gray:
        over = over @ np.array([[0.114], [0.587], [0.299]])
    plain = pixels.reshape(40, 60, -1) / white
    under = (below[:, :, None] / white) if alpha else np.ones((40, 60, 1))
    opaque = share + under * (1 - share)
    mixed = share * over + under * (1 - share) * plain
    expected = np.divide(mixed, opaque, out=plain.copy(), where=opaque > 0)
    difference = np.abs(made.pixels.reshape(expected.shape) / white - expected)
    assert difference.max() <= 1.1 / 255
    assert made.pixels.dtype == pixels.dtype and made.icc == b"profile"
    assert (made.alpha is None) != alpha
    if made.alpha is not None:
        assert np.abs(made.alpha / white - opaque[:, :, 0]).max() <= 0.6 / white
    untouched = share[:, :, 0] == 0
    assert (made.pixels[untouched] == pixels[untouched]).all()


def test_hidden_colours_of_it_are_not_seen() -> None:
    """Also where it is made larger: its colours are weighted by its alpha."""
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, 10:] = 250
    alpha = np.zeros((10, 20), np.uint8)
    alpha[:, 10:] = 255
    made = apply(flat(200, 100, 250), mark(share=90, opacity=100), using(Picture(pixels, alpha)))
    assert made.pixels.min() >= 248


def test_its_profile_is_applied() -> None:
    red = np.zeros((10, 10, 3), np.uint8)
    red[:, :, 2] = 200
    made = [
        apply(flat(20, 20), mark(share=100, opacity=100), using(Picture(red, icc=icc))).pixels[9, 9]
        for icc in (None, matrix_profile("P3", DISPLAY_P3, 2.2))
    ]
    assert list(made[0]) == [0, 0, 200] and made[1][2] > 210


def test_what_is_wrong_with_it_is_said() -> None:
    def broken() -> Picture:
        raise BadImage("the picture cannot be decoded")

    with pytest.raises(BadImage, match=f"{FIELD}: the picture cannot be decoded"):
        apply(flat(9, 9), mark(), replace(tools(), watermark=broken))
    with pytest.raises(BadParameter, match="its picture did not come"):
        apply(flat(9, 9), mark())


def test_each_frame_of_an_animation_has_it(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("black", "#000080")]
    source, second = tmp_path / "source.png", tmp_path / "logo.png"
    frames[0].save(source, "PNG", save_all=True, append_images=frames[1:], duration=100)
    Image.new("RGBA", (9, 9), (250, 0, 0, 128)).save(second)
    pipeline = Pipeline(
        [mark(share=20, place="center", opacity=100)],
        Encoding("png", frames="all"),
        Catalogue.read(None),
        Limits(10**6, 10**6, 64),
        lambda _: None,
        watermark=second,
    )
    (made,) = pipeline.process(source, tmp_path, 10**6).results
    with Image.open(made.path) as animation:
        for number, blue in enumerate((0, 64)):
            animation.seek(number)
            pixel = animation.convert("RGB").getpixel((30, 20))
            assert pixel == pytest.approx((125, 0, blue), abs=1.1)


def test_memory_counts_it() -> None:
    for kind in (ImageHeader("jpeg", 6000, 4000), ImageHeader("png", 6000, 4000, 16, 4)):
        text, small, large = (
            memory_estimate.predict(kind, [operation], "png")
            for operation in (Watermark(text="x"), mark(share=10), mark(share=100))
        )
        assert text <= small < large


def test_documents() -> None:
    said = document("watermark", picture=FIELD)
    assert (said["picture"], said["share"], said["text"]) == (FIELD, 20, None)
    assert document("watermark", picture=FIELD, share=20) == said
    assert {"picture", "share"}.isdisjoint(document("watermark", text="x"))


def test_resolving() -> None:
    named: list[Operation] = [parse("grayscale", {}), parse("watermark", {"picture": FIELD})]
    for made in (resolve(named, SHA256), resolve([named[0], mark()], SHA256)):
        assert made == [named[0], mark()] and sent_in(made) == SHA256
    assert resolve(named[:1], None) == named[:1]
    for operations, sha256, said in (
        (named, None, "its picture did not come: send it as watermark_image"),
        ([mark()], None, "its picture did not come"),
        (named[:1], SHA256, "watermark_image came, and no operation uses it"),
        ([Watermark(text="x")], SHA256, "no operation uses it"),
        ([mark()], "f" * 64, f"the file that came as watermark_image has {'f' * 64}"),
    ):
        with pytest.raises(BadParameter, match=said):
            resolve(operations, sha256)


def test_a_large_one_is_refused_by_its_header() -> None:
    check_header(ImageHeader("png", 1000, MAX_PIXELS // 1000))
    with pytest.raises(TooManyPixels, match="1000 x 1001 = 1001000 pixels; at most 1000000"):
        check_header(ImageHeader("png", 1000, 1001))


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES[:1], "0", "101", "1.5"])
def test_refused_shares(value: Any) -> None:
    assert refusal("watermark", picture=FIELD, share=value).startswith("watermark: share: ")


@pytest.mark.parametrize(
    "value",
    ["", "logo.png", "/etc/passwd", "$where", "A" * 64, "0" * 63, SHA256 + "\n", 5, {"$gt": ""}],
)
def test_refused_pictures(value: Any) -> None:
    assert "picture" in refusal("watermark", picture=value)


def test_refused_together() -> None:
    assert "text is missing: give one line, or a picture" in refusal("watermark")
    assert "two watermarks" in refusal("watermark", text="x", picture=FIELD)
    assert "share is of a watermark that is a picture" in refusal("watermark", text="x", share=5)
    for name, value in (("size", 9), ("colour", "#123456")):
        said = refusal("watermark", picture=FIELD, **{name: value})
        assert "size and colour are those of a text" in said
