"""The watermark operation: where the text is, how it is mixed, its letters, and refusals."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.operations import parse
from models.operations.lettering import DRAWN
from models.operations.watermark import Place, Watermark
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, refusal
from workers.imaging import notes
from workers.imaging.picture import Picture, Samples
from workers.operations import watermark as module


def flat(width: int, height: int, value: int = 100) -> Picture:
    return Picture(np.full((height, width, 3), value, np.uint8))


def changed(before: Picture, after: Picture) -> NDArray[np.bool_]:
    """Return which pixels are not what they were: (height, width)."""
    return np.asarray((before.pixels != after.pixels).any(axis=2))


@pytest.mark.parametrize("place", [place for place in get_args(Place) if place != "tile"])
def test_the_text_stands_where_it_was_asked_for(place: Place) -> None:
    source = flat(300, 200)
    rows, columns = np.nonzero(
        changed(source, apply(source, Watermark(text="Ada", place=place, size=10)))
    )
    em, words = 20, place.split("-")
    assert 0.6 * em < np.ptp(rows) < 1.2 * em and em < np.ptp(columns) < 3 * em
    for start, end, found, length in (
        ("left", "right", columns, 300),
        ("top", "bottom", rows, 200),
    ):
        before, after = found.min(), length - 1 - found.max()
        assert before == em // 2 if start in words else before > em // 2
        assert after == em // 2 if end in words else after > em // 2
        assert {start, end} & set(words) or abs(before - after) <= 1


def test_tiles_reach_every_part() -> None:
    source = flat(400, 300)
    hit = changed(source, apply(source, Watermark(text="Ada", place="tile", size=6)))
    for row in range(0, 300, 75):
        for column in range(0, 400, 100):
            assert hit[row : row + 75, column : column + 100].any(), (row, column)
    assert hit.mean() < 0.3


@pytest.mark.parametrize("kind", ["gray", "gray+alpha", "colour", "colour+alpha"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("place", ["center", "tile"])
def test_mixing_matches_the_definition(
    monkeypatch: pytest.MonkeyPatch, kind: str, deep: bool, place: Place
) -> None:
    """Colour and alpha of Porter and Duff's "over", in bands of a few rows."""
    monkeypatch.setattr(module, "_BAND_PIXELS", 300)
    factor, white = (257, 65535) if deep else (1, 255)
    depth = np.uint16 if deep else np.uint8
    pixels: Samples = bgr(90, 70).astype(depth) * np.array(factor, depth)
    if kind.startswith("gray"):
        pixels = pixels[:, :, 1].copy()
    alpha: Samples | None = None
    if kind.endswith("alpha"):
        alpha = np.tile(np.linspace(0, white, 90).astype(depth), (70, 1))
    source = Picture(pixels, alpha, b"profile")
    spec = Watermark(text="Aß", place=place, size=25, opacity=60, colour="#2040c0")
    made = apply(source, spec)
    stamp, _ = module._draw("Aß", 25, 90, 70)
    letters, covered = np.zeros((70, 90)), np.zeros((70, 90))
    for shown, top, left, columns in module._placed(stamp, place, 90, 70):
        for row in range(max(0, top), min(70, top + shown.height)):
            for at, column in enumerate(columns):
                letters[row, left + at] = shown.planes[0][row - top, column] / 255
                covered[row, left + at] = shown.planes[1][row - top, column] / 255
    share = covered * 0.6
    text = np.array([0xC0, 0x40, 0x20]) / 255
    of_letters = np.divide(letters, covered, out=np.zeros_like(share), where=covered > 0)
    if pixels.ndim == 2:
        text = text @ [0.114, 0.587, 0.299]
    else:
        share, of_letters = share[:, :, None], of_letters[:, :, None]
    above = of_letters * text + (1 - of_letters)  # a white edge: the letters are dark
    below: Any = np.ones_like(share)
    if alpha is not None:
        below = (alpha / white).reshape(share.shape)
    opaque = share + below * (1 - share)
    mixed = share * above + below * (1 - share) * pixels / white
    expected = np.divide(mixed, opaque, out=pixels / white, where=opaque > 0) * white
    assert np.abs(made.pixels - expected).max() <= 0.75 * max(1, factor / 40)
    assert made.pixels.dtype == depth and made.icc == b"profile"
    assert (made.alpha is None) == (alpha is None)
    if made.alpha is not None:
        assert np.abs(made.alpha - opaque.reshape(made.alpha.shape) * white).max() <= 0.51
        assert made.alpha.dtype == depth
    assert covered.max() == 1 and letters.max() == 1
    untouched = covered == 0
    assert (made.pixels[untouched] == pixels[untouched]).all()


def test_opacity_and_an_edge_that_differs() -> None:
    for colour, middle, edge in (("white", 255, 0), ("black", 0, 255)):
        whole = apply(flat(200, 200), Watermark(text="H", size=25, opacity=100, colour=colour))
        assert {middle, edge, 100} <= set(np.unique(whole.pixels))
    half = apply(flat(200, 200), Watermark(text="H", size=25, opacity=50)).pixels
    assert (half.min(), half.max()) == (50, 178)


def test_a_long_text_becomes_smaller_and_stays_inside() -> None:
    source = flat(300, 200)
    for text in ("W" * 30, "Ада, 你好, ñandú"):
        for place in ("left", "right"):
            hit = changed(source, apply(source, Watermark(text=text, place=place, size=25)))
            columns = np.flatnonzero(hit.any(axis=0))
            assert columns.min() > 0 and columns.max() < 299 and np.ptp(columns) > 250


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2), (40, 30)])
@pytest.mark.parametrize("place", ["center", "tile"])
def test_letters_too_small_to_read_have_a_note(size: tuple[int, int], place: Place) -> None:
    made = apply(flat(*size), Watermark(text="© Ada", place=place))
    assert made.size == size
    assert made.notes == (notes.WATERMARK_SMALL.format(max(1, round(min(size) * 0.05))),)
    assert apply(flat(200, 160), Watermark(text="© Ada")).notes == ()


def drawn(letter: str) -> NDArray[np.uint8]:
    canvas = np.zeros((36, 48), np.uint8)
    cv2.putText(canvas, letter, (8, 26), (255,), cv2.FontFace("sans"), 24)
    return canvas


def test_each_letter_that_is_accepted_can_be_drawn() -> None:
    """OpenCV draws a question mark for one that it lacks; of large scripts each 40th is tried."""
    missing = drawn("?")
    assert (drawn("\uffff") == missing).all()
    ranges = re.findall("(.)(?:-(.))?", DRAWN)
    assert "".join(a + ("-" + b if b else "") for a, b in ranges) == DRAWN
    for first, last in ranges:
        codes = range(ord(first), ord(last or first) + 1)
        for code in codes if len(codes) < 400 else codes[::40]:
            letter = chr(code)
            assert drawn(letter).any(), hex(code)
            assert letter == "?" or (drawn(letter) != missing).any(), hex(code)
            assert unicodedata.bidirectional(letter) not in {"R", "AL", "AN"}
            assert unicodedata.category(letter)[0] not in "CMZ"


def test_documents_and_labels() -> None:
    assert document("watermark", text=" Cafe\u0301 ", colour="#FFF") == {
        "op": "watermark",
        "text": "Caf\u00e9",
        "place": "bottom-right",
        "size": 5,
        "opacity": 50,
        "colour": "#ffffff",
    }
    assert parse("watermark", {"text": "../x"}).label() == "watermark"
    assert parse("watermark", {"text": "x", "place": "tile"}).label() == "watermark-tile"


@pytest.mark.parametrize(("width", "height"), [(1, 2000), (50, 1000), (300, 150)])
def test_narrow_pictures_are_not_tiled_row_by_row(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million rows of one pixel took half a minute."""
    mixed: list[int] = []
    real = module._mix_band

    def count(*given: Any) -> None:
        mixed.append(1)
        real(*given)

    monkeypatch.setattr(module, "_mix_band", count)
    before = flat(width, height)
    several = apply(before, Watermark(text="Ada", place="tile", size=1))
    assert len(mixed) <= 1 + 2 * width * height // module._BAND_PIXELS + 5
    monkeypatch.setattr(module, "_BAND_PIXELS", 1)  # nothing fits: one by one
    one_by_one = apply(before, Watermark(text="Ada", place="tile", size=1))
    assert np.array_equal(several.pixels, one_by_one.pixels)
    assert changed(before, several).any()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            ("a\nb", "000A"),
            ("a\tb", "0009"),
            ("\0", "0000"),
            ("\x1b[2J", "001B"),
            ("\x7f", "007F"),
        ),
        *(("x\u202ey", "202E"), ("x\u200by", "200B"), ("\ufeff", "FEFF"), ("x\u2028", "2028")),
        *(("\u05e9\u05dc\u05d5\u05dd", "05E9"), ("\u0645\u0631", "0645"), ("\u0e44\u0e17", "0E44")),
        *(("q\u0301", "0301"), ("\U0001f600", "1F600"), ("a\u00a0b", "00A0")),
    ],
)
def test_text_that_cannot_be_drawn_names_the_letter(text: str, code: str) -> None:
    assert f"is U+{code}, which cannot be drawn" in refusal("watermark", text=text)


@pytest.mark.parametrize(
    "text", ["", "   ", "a" * 101, "\u0301\u0316" * 30_000, "\ud800", True, [1], {"a": 1}, 7]
)
def test_refused_texts(text: Any) -> None:
    said = refusal("watermark", text=text)
    assert said.startswith("watermark: text: ") and "items" not in said


@pytest.mark.parametrize("name", ["size", "opacity"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "0", "101", "1.5"])
def test_refused_numbers(name: str, value: Any) -> None:
    assert refusal("watermark", text="x", **{name: value}).startswith(f"watermark: {name}: ")


def test_other_refusals() -> None:
    assert "text is missing" in refusal("watermark")
    assert "opacity beside it" in refusal("watermark", text="x", colour="transparent")
    assert refusal("watermark", text="x", size="26").startswith("watermark: size: ")
    assert refusal("watermark", text="x", place="middle").startswith("watermark: place: ")
    assert "unknown field 'font'" in refusal("watermark", text="x", font="/etc/passwd")
