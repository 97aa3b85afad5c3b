"""The adjust operation: each change by its definition and as Pillow does it, bands, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageEnhance

from models.operations import parse
from models.operations.adjust import Adjust
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, image, refusal
from workers.imaging.picture import Picture, Samples
from workers.operations import adjust as module

SPECS = [
    Adjust(brightness=30),
    Adjust(brightness=-60, contrast=80),
    Adjust(brightness=100, contrast=-50),
    Adjust(gamma=2.2),
    Adjust(gamma=0.1),
    Adjust(gamma=10),
    Adjust(saturation=100),
    Adjust(saturation=-100),
    Adjust(brightness=-20, contrast=35, saturation=-40, gamma=1.4),
]


def defined(pixels: NDArray[Any], spec: Adjust, white: int) -> NDArray[Any]:
    """Return the adjusted pixels by the definition, in float64, not rounded."""
    values = pixels / white * (1 + spec.brightness / 100)
    values = np.clip((values - 0.5) * (1 + spec.contrast / 100) + 0.5, 0, 1) ** (1 / spec.gamma)
    if pixels.ndim == 3:
        luma = (values @ [0.114, 0.587, 0.299])[:, :, None]
        values = luma + (values - luma) * (1 + spec.saturation / 100)
    clipped: NDArray[Any] = np.clip(values, 0, 1) * white
    return clipped


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("deep", [False, True])
def test_adjusting_matches_the_definition(spec: Adjust, deep: bool) -> None:
    source: Samples = bgr()
    if deep:
        low = np.random.default_rng(0).integers(0, 256, source.shape, np.uint16)
        source = source.astype(np.uint16) * 256 + low
    for pixels in (source, source[:, :, 1].copy()):
        alpha = source[:, :, 0].copy()
        result = apply(Picture(pixels, alpha, b"profile"), spec)
        expected = defined(pixels, spec, 65535 if deep else 255)
        assert np.abs(result.pixels - expected).max() <= 0.51
        assert result.alpha is alpha
        assert result.icc == b"profile"


def test_brightness_and_saturation_equal_pillow() -> None:
    source = Picture(bgr())
    for name, enhance in (
        ("brightness", ImageEnhance.Brightness),
        ("saturation", ImageEnhance.Color),
    ):
        for percent in (-100, -30, 20, 100):
            enhanced = enhance(image(source)).enhance(1 + percent / 100)
            result = apply(source, parse("adjust", {name: percent})).pixels
            off = np.abs(result.astype(int) - np.asarray(enhanced)[:, :, ::-1])
            assert off.max() <= 1, (name, percent)


def test_the_ends_of_each_scale() -> None:
    source = Picture(bgr())
    assert (apply(source, Adjust(brightness=-100)).pixels == 0).all()
    assert (apply(source, Adjust(contrast=-100)).pixels == 128).all()
    gray = apply(source, Adjust(saturation=-100)).pixels
    assert (gray == gray[:, :, :1]).all()
    luma = apply(source, parse("grayscale", {})).pixels
    assert np.abs(gray[:, :, 0].astype(int) - luma).max() <= 1


def test_light_that_contrast_takes_back_is_not_lost() -> None:
    """Values above white after the first step count in the second."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    result = apply(Picture(ramp), Adjust(brightness=100, contrast=-50)).pixels
    assert len(np.unique(result)) > 190


def test_no_change_changes_nothing() -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for pixels in (bgr(), deep, np.dstack([deep, deep.T, deep[::-1]])):
        assert (apply(Picture(pixels), Adjust()).pixels == pixels).all()


@pytest.mark.parametrize("pixels", [1, 130, 10**6])
def test_bands_leave_no_seams(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    monkeypatch.setattr(module, "_BAND_PIXELS", pixels)
    spec = SPECS[-1]
    window = Picture(bgr()).window(3, 2, 41, 37)
    for source in (window, Picture(bgr()[:1]), Picture(bgr()[:, :1])):
        off = apply(source, spec).pixels - defined(source.pixels, spec, 255)
        assert np.abs(off).max() <= 0.51


def test_documents_and_labels() -> None:
    assert document("adjust", gamma="2", contrast="-5") == {
        "op": "adjust",
        "brightness": 0,
        "contrast": -5,
        "saturation": 0,
        "gamma": 2.0,
    }
    assert parse("adjust", {}).label() == "adjust"
    assert parse("adjust", {"brightness": "-5", "gamma": 0.5}).label() == "adjust-b-5-g0.5"
    assert parse("adjust", {"contrast": 7, "saturation": "9"}).label() == "adjust-c7-s9"


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "-101", "101", "1.5"])
def test_invalid_percents_are_refused(name: str, value: Any) -> None:
    assert refusal("adjust", **{name: value}).startswith(f"adjust: {name}: ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_VALUES, "0", "0.09", "10.1", "-1", 10**400])
def test_invalid_gammas_are_refused(value: Any) -> None:
    assert refusal("adjust", gamma=value).startswith("adjust: gamma: ")


def test_unknown_fields_are_named() -> None:
    known = "brightness, contrast, saturation, gamma"
    assert f"unknown field 'hue'; known: {known}" in refusal("adjust", hue="3")
