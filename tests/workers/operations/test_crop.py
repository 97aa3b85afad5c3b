"""The crop operation: the exact rectangle, or an error that says what would pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import BadParameter
from models.networks.catalogue import Catalogue
from models.operations import Encoding, parse
from models.operations.crop import Crop
from models.operations.steps import result_sizes
from tests.support import images
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, image, refusal
from workers.imaging.picture import Picture
from workers.pipeline import Limits, Pipeline


def test_crop_equals_pillow() -> None:
    alpha = bgr()[:, :, 0].copy()
    source = Picture(bgr(), alpha, b"profile")
    result = apply(source, Crop(x=7, y=5, width=20, height=31))
    expected = np.asarray(image(source).crop((7, 5, 27, 36)))[:, :, ::-1]
    assert (result.pixels == expected).all()
    assert result.alpha is not None
    assert (result.alpha == alpha[5:36, 7:27]).all()
    assert result.icc == b"profile"
    assert [result.size] == Crop(x=7, y=5, width=20, height=31).output_sizes(60, 50)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (59, 49), (59, 0), (0, 49)])
def test_one_pixel_of_each_corner(x: int, y: int) -> None:
    result = apply(Picture(bgr()), Crop(x=x, y=y, width=1, height=1))
    assert (result.pixels[0, 0] == bgr()[y, x]).all()
    whole = apply(Picture(bgr()), Crop(width=60, height=50))
    assert (whole.pixels == bgr()).all()


def test_crop_through_the_pipeline(tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(images.png(60, 50))
    pipeline = Pipeline(
        [Crop(x=1, y=2, width=9, height=8)],
        Encoding("png"),
        Catalogue.read(None),
        Limits(10**6, 10**6, 64),
        lambda s: None,
    )
    (result,) = pipeline.process(source, tmp_path, 10**6).results
    written = np.asarray(images.decoded(Path(result.path).read_bytes()))
    assert (written == images.scene(60, 50)[2:10, 1:10]).all()


@pytest.mark.parametrize(
    "rectangle",
    [
        {"width": 61, "height": 1},
        {"width": 1, "height": 51},
        {"x": 60, "width": 1, "height": 1},
        {"y": 50, "width": 1, "height": 1},
        {"x": 1_000_000, "y": 1_000_000, "width": 1_000_000, "height": 1_000_000},
    ],
)
def test_rectangle_outside_the_picture_is_refused(rectangle: dict[str, int]) -> None:
    spec = Crop(**rectangle)
    sentence = (
        "the picture is 60 x 50 pixels.*x \\+ width may be at most 60, y \\+ height at most 50"
    )
    with pytest.raises(BadParameter, match=sentence):
        result_sizes([spec], (60, 50), 10**9)
    with pytest.raises(BadParameter, match=sentence) as caught:
        apply(Picture(bgr()), spec)
    assert caught.value.facts["limit"] == [60, 50]


def test_documents_and_labels() -> None:
    assert document("crop", width="3", height="4.0") == {
        "op": "crop", "x": 0, "y": 0, "width": 3, "height": 4,
    }  # fmt: skip
    assert parse("crop", {"width": "3", "height": "4"}).label() == "crop-3x4"
    assert parse("crop", {"width": "3", "height": "4", "y": "9"}).label() == "crop-3x4-at-0-9"


@pytest.mark.parametrize("name", ["x", "y", "width", "height"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "-1", "1.5", "1000001"])
def test_invalid_numbers_are_refused(name: str, value: Any) -> None:
    parameters = {"width": "1", "height": "1", name: value}
    assert refusal("crop", **parameters).startswith(f"crop: {name}: ")


def test_refusals_say_what_is_missing_or_unknown() -> None:
    assert "height is missing: Height of the rectangle" in refusal("crop", width="4")
    assert "width is missing" in refusal("crop")
    assert "known: x, y, width, height" in refusal("crop", width="1", height="1", left="3")
    for name in ("width", "height"):
        assert "than or equal to 1" in refusal("crop", **{"width": "1", "height": "1", name: "0"})
