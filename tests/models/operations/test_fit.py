"""Sizes of pictures in boxes, colours of padding, and what documents say of them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import memory_estimate
from models.images.inspect import ImageHeader
from models.operations import parse
from models.operations.fingerprint import fingerprint
from models.operations.fit import Fit, covering, fitting, padded_channels, rgba
from models.operations.resize import Resize
from models.operations.thumbnail import Thumbnail
from tests.workers.operations import NO_VALUES, document, refusal

SIDES = st.integers(1, 30_000)
BOX = {"width": 300, "height": 200}


@given(SIDES, SIDES, SIDES, SIDES)
def test_fitting_and_covering_keep_the_shape(width: int, height: int, box: int, other: int) -> None:
    for found, factor in (
        (fitting(width, height, (box, other)), min(box / width, other / height)),
        (covering(width, height, (box, other)), max(box / width, other / height)),
    ):
        assert found[0] == box or found[1] == other
        assert abs(found[0] - width * factor) < 1 + 1e-6 * found[0]
        assert abs(found[1] - height * factor) < 1 + 1e-6 * found[1]
    assert min(fitting(width, height, (box, other))) >= 1
    wide, high = covering(width, height, (box, other))
    assert wide >= box and high >= other


@pytest.mark.parametrize(
    ("size", "fit", "resized", "thumbnail"),
    [
        ((3000, 1000), "contain", (300, 100), (300, 100)),
        ((3000, 1000), "cover", (300, 200), (300, 200)),
        ((3000, 1000), "pad", (300, 200), (300, 200)),
        ((30, 10), "contain", (300, 100), (30, 10)),
        ((30, 10), "cover", (300, 200), (30, 10)),
        ((30, 10), "pad", (300, 200), (300, 200)),
        ((400, 100), "cover", (300, 200), (300, 100)),
        ((1, 5000), "contain", (1, 200), (1, 200)),
        ((300, 200), "cover", (300, 200), (300, 200)),
    ],
)
def test_result_sizes(
    size: tuple[int, int], fit: Fit, resized: tuple[int, int], thumbnail: tuple[int, int]
) -> None:
    assert Resize(**BOX, fit=fit).output_sizes(*size) == [resized]
    assert Thumbnail(**BOX, fit=fit).output_sizes(*size) == [thumbnail]


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_thumbnail_is_never_larger_than_its_picture_and_its_box(
    width: int, height: int, box: int, other: int
) -> None:
    ((w, h),) = Thumbnail(width=box, height=other, fit="cover").output_sizes(width, height)
    assert (w, h) == (min(box, width), min(other, height))


def test_decoders_may_leave_out_what_no_fit_needs() -> None:
    assert Resize(**BOX, fit="cover").minimum_decode_size(4000, 3000) == (1200, 900)
    assert Thumbnail(**BOX, fit="cover").minimum_decode_size(4000, 3000) == (1200, 900)
    for spec in (Resize(**BOX, fit="pad"), Thumbnail(**BOX, fit="pad")):
        assert spec.minimum_decode_size(4000, 3000) == (1068, 800)
    assert Resize(**BOX, fit="cover").minimum_decode_size(1000, 3) is None


def test_what_was_not_asked_for_is_in_no_document() -> None:
    """Fingerprints of results from before there was a fit are the same."""
    base = {"op": "resize", "scale": None, **BOX, "filter": "lanczos"}
    assert document("resize", **BOX) == document("resize", **BOX, fit="stretch") == base
    assert document("resize", **BOX, fit="pad") == {**base, "fit": "pad"}
    small = {"op": "thumbnail", **BOX}
    assert document("thumbnail", **BOX) == document("thumbnail", **BOX, fit="contain") == small
    padded = document("thumbnail", **BOX, fit="pad", colour="#ABC")
    assert padded == {**small, "fit": "pad", "colour": "#aabbcc"}
    known = fingerprint("a" * 64, [parse("thumbnail", {"width": "200"})], "png", [])
    assert known == "0929808e834ee936a5a971c74732e332f3de5b2fa3ffa1257b79cc6acafb04f3"


def test_labels() -> None:
    assert parse("resize", {**BOX, "fit": "cover"}).label() == "resize-300x200-cover"
    assert parse("resize", {**BOX}).label() == "resize-300x200"
    assert parse("thumbnail", {**BOX, "fit": "pad"}).label() == "thumbnail-300x200-pad"
    assert parse("thumbnail", {**BOX, "fit": "contain"}).label() == "thumbnail-300x200"


@pytest.mark.parametrize(
    ("given", "canonical", "values"),
    [
        ("white", "#ffffff", (255, 255, 255, 255)),
        ("black", "#000000", (0, 0, 0, 255)),
        ("transparent", "#ffffff00", (255, 255, 255, 0)),
        ("fa0", "#ffaa00", (255, 170, 0, 255)),
        ("#FA08", "#ffaa0088", (255, 170, 0, 136)),
        ("#102030", "#102030", (16, 32, 48, 255)),
        ("102030ff", "#102030", (16, 32, 48, 255)),
        ("#10203040", "#10203040", (16, 32, 48, 64)),
        ("#ffffff", "#ffffff", (255, 255, 255, 255)),
    ],
)
def test_colours(given: str, canonical: str, values: tuple[int, ...]) -> None:
    colour = document("thumbnail", fit="pad", colour=given)["colour"]
    assert colour == canonical
    assert rgba(colour) == values
    assert document("thumbnail", fit="pad", colour=colour)["colour"] == canonical


@pytest.mark.parametrize(
    "value",
    [*NO_VALUES[:1], *NO_VALUES[2:], "", "red", "#12345", "#1234567", "#gggggg", "#fff\n", "##fff",
     "f" * 5000, " white", "White", "\uff11\uff12\uff13", "\0", 123456],
)  # fmt: skip
def test_other_colours_are_refused(value: Any) -> None:
    for op in ("resize", "thumbnail"):
        assert refusal(op, **BOX, fit="pad", colour=value).startswith(f"{op}: colour: ")


@pytest.mark.parametrize("value", [*NO_VALUES, "", "fill", "Cover", "1"])
def test_other_fits_are_refused(value: Any) -> None:
    for op in ("resize", "thumbnail"):
        assert refusal(op, **BOX, fit=value).startswith(f"{op}: fit: ")


def test_refusals_say_what_would_pass() -> None:
    needs = "fit=cover needs a box: give width and height in pixels"
    assert needs in refusal("resize", width="3", fit="cover")
    assert needs in refusal("resize", scale="3", fit="cover")
    assert "colour is for fit=pad, not for fit=stretch" in refusal("resize", scale=2, colour="fff")
    for fit in ("cover", "contain"):
        for op in ("resize", "thumbnail"):
            sentence = refusal(op, **BOX, fit=fit, colour="white")
            assert f"colour is for fit=pad, not for fit={fit}: leave it out" in sentence
    assert "'stretch', 'cover', 'contain' or 'pad'" in refusal("resize", **BOX, fit="x")
    assert "send #rgb, #rrggbb, #rrggbbaa, white" in refusal("thumbnail", fit="pad", colour="red")


@pytest.mark.parametrize("op", ["resize", "thumbnail"])
def test_a_transparent_padding_counts_in_memory(op: Literal["resize", "thumbnail"]) -> None:
    header = ImageHeader("png", 1000, 1000, 16, 3)
    box = {"width": 9000, "height": 9000, "fit": "pad"}
    opaque, translucent = (
        memory_estimate.predict(header, [parse(op, {**box, "colour": colour})], "png")
        for colour in ("white", "transparent")
    )
    assert translucent - opaque >= 2 * 9000 * 9000  # a plane of 16 bits at least
    assert [padded_channels(n, "#ffffff00") for n in (1, 2, 3, 4)] == [2, 2, 4, 4]
    assert [padded_channels(n, None) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
