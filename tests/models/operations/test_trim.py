"""The spec of trim: what may follow it, what limits count then, documents, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import memory_estimate
from models.errors import BadParameter, TooManyPixels
from models.images.inspect import ImageHeader
from models.operations import OPERATIONS, Operation, parse
from models.operations.steps import read_pipeline, result_sizes, sizes_after
from models.operations.trim import Trim
from tests.workers.operations import NO_NUMBERS, NO_VALUES, document, refusal

AFTER: list[tuple[str, dict[str, Any]]] = [
    ("upscale", {"scale": 3}),
    ("grayscale", {}),
    ("blur", {"sigma": 2}),
    ("thumbnail", {"width": 50, "height": 30}),
    ("thumbnail", {"width": 50, "height": 30, "fit": "cover"}),
    ("thumbnail", {"width": 50, "height": 30, "fit": "pad"}),
    ("resize", {"scale": 0.3}),
    ("resize", {"scale": 2.7}),
    ("resize", {"width": 40, "height": 90}),
    ("resize", {"width": 40, "height": 90, "fit": "contain"}),
    ("resize", {"width": 40, "height": 90, "fit": "cover"}),
    ("resize", {"width": 40, "height": 90, "fit": "pad"}),
    ("split", {}),
    ("smartcrop", {"ratio": "3:7"}),
    ("smartcrop", {"width": 31, "height": 17}),
    ("rotate", {"angle": 90}),
    ("flip", {}),
    ("watermark", {"text": "x"}),
    ("trim", {}),
]


@given(
    st.integers(2, 120),
    st.integers(2, 120),
    st.lists(st.sampled_from(AFTER), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_no_smaller_picture_exceeds_what_is_predicted(
    width: int, height: int, asked: list[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    """Of every operation, on both sides, and so of pixels, memory and work, too."""
    left = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    operations: list[Operation] = [parse(op, values) for op, values in asked]
    predicted = sizes_after([Trim(), *operations], (width, height))
    assert next(predicted) == [(width, height)]
    found = [left]
    for operation in operations:
        try:
            found = [part for each in found for part in operation.output_sizes(*each)]
        except BadParameter:  # a side of 1 cannot be split
            return
        most = next(predicted)
        assert len(found) == len(most)
        for made, limit in zip(found, most, strict=True):
            assert made[0] <= limit[0] and made[1] <= limit[1], (operation, made, limit)


def test_each_operation_was_tried_after_it() -> None:
    # Those left out make what they are told, or keep the size, as others above.
    assert {*OPERATIONS} - {op for op, _ in AFTER} == {
        *("crop", "convert", "restore", "sharpen", "adjust")
    }


@pytest.mark.parametrize("side", ["width", "height"])
def test_one_side_alone_is_refused_after_it(side: str) -> None:
    resize = f'{{"op": "resize", "{side}": 1000}}'
    with pytest.raises(BadParameter) as caught:
        read_pipeline(["trim", "grayscale", resize], 9)
    said = caught.value.detail
    assert said.startswith("operation 3: resize: after trim ") and f"{side} alone" in said
    assert "give width and height (fit=contain keeps the shape), or a scale" in said
    assert caught.value.facts["parameter"] == side
    assert len(read_pipeline([resize, "trim"], 9)) == 2
    with pytest.raises(BadParameter, match="after trim"):  # also of a task that was not read here
        result_sizes([Trim(), parse("resize", {side: 9})], (10, 10), 10**6)


def test_limits_count_the_largest_that_may_come() -> None:
    box = parse("resize", {"width": 1000, "height": 1000, "fit": "contain"})
    assert result_sizes([box], (1000, 10), 10**6 - 1) == [(1000, 10)]
    with pytest.raises(TooManyPixels, match="largest possible result, after trim, of resize: 1000"):
        result_sizes([Trim(), box], (1000, 10), 10**6 - 1)
    header = ImageHeader("png", 4000, 10, 8, 3)
    plain, trimmed = (
        memory_estimate.predict(header, operations, "png") for operations in ([box], [Trim(), box])
    )
    assert trimmed >= memory_estimate.BASE_BYTES + 3 * 10**6 > plain


def test_documents_and_labels() -> None:
    assert document("trim") == {"op": "trim", "tolerance": 20, "padding": 0, "colour": None}
    assert document("trim", tolerance="0", padding=3, colour="white") == {
        "op": "trim",
        "tolerance": 0,
        "padding": 3,
        "colour": "#ffffff",
    }
    assert parse("trim", {}).label() == "trim"


@pytest.mark.parametrize("name", ["tolerance", "padding"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "-1", "1.5", 10**7])
def test_refused_numbers(name: str, value: Any) -> None:
    assert refusal("trim", **{name: value}).startswith(f"trim: {name}: ")


def test_other_refusals() -> None:
    assert refusal("trim", tolerance=256).startswith("trim: tolerance: ")
    assert refusal("trim", colour="beige").startswith("trim: colour: ")
    assert "unknown field 'fuzz'" in refusal("trim", fuzz="10%")
