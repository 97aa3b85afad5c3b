"""Bundled networks: right files, small enough, better than bicubic on photographs."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import get_args

import cv2
import numpy as np
import pytest

from models.networks.catalogue import BUNDLED_DIR, Catalogue, Weights, published_networks
from models.operations.photo import PHOTO
from models.operations.upscale import Quality, Upscale
from tests.support.paths import PHOTOGRAPHS
from tests.workers.operations import apply, tools
from training.dataset import read_luma
from training.degrade import Plane, bicubic, jpeg, psnr
from workers.imaging.picture import Picture
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO

BUNDLED = [w for w in published_networks() if (BUNDLED_DIR / w.file).is_file()]
FAITHFUL = [w for w in BUNDLED if w.name != PHOTO]
MB = 1_000_000

MARGIN = {
    ("fast", 2): 2.35,
    ("fast", 3): 1.6,
    ("fast", 4): 1.2,
    ("balanced", 2): 2.5,
    ("balanced", 3): 1.7,
    ("balanced", 4): 1.3,
    ("best", 2): 2.8,
    ("best", 3): 1.88,
    ("best", 4): 1.45,
}
"""Decibels over cv2's bicubic that each keeps on the mean of the photographs."""


def name(weights: Weights) -> str:
    return f"{weights.name}-x{weights.scale}"


@cache
def pictures(scale: int, quality: int | None) -> list[tuple[Plane, Plane]]:
    """Return (low, high) luma of each photograph; ``quality``: of the JPEG that low was, if any.

    Then it is the middle of the photograph only.
    """
    made = []
    for path in PHOTOGRAPHS:
        high = read_luma(path)
        if quality is not None:
            high = high[36:-36, 36:-36]  # 120 x 120: a multiple of every scale
        low = bicubic(high, high.shape[0] // scale, high.shape[1] // scale)
        made.append((low if quality is None else jpeg(low, quality), high))
    return made


def gain(weights: Weights, quality: int | None = None) -> float:
    """Return the mean PSNR over cv2's bicubic, in dB."""
    found = []
    for low, high in pictures(weights.scale, quality):
        size = (high.shape[1], high.shape[0])
        cubic = np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        enlarged = REFERENCE.enlarge(BUNDLED_DIR / weights.file, weights, low)
        found.append(psnr(enlarged, high, weights.scale) - psnr(cubic, high, weights.scale))
    return float(np.mean(found))


def test_four_qualities_and_their_scales() -> None:
    assert {(w.name, w.scale) for w in BUNDLED} == {
        *((f"darkroom-{quality}", scale) for quality, scale in MARGIN),
        *((PHOTO, scale) for scale in (1, 2, 3, 4)),
    }
    assert sum((BUNDLED_DIR / w.file).stat().st_size for w in BUNDLED) < 20 * MB


@pytest.mark.parametrize("weights", BUNDLED, ids=name)
def test_file_has_the_recorded_hash_and_size(weights: Weights) -> None:
    data = (BUNDLED_DIR / weights.file).read_bytes()
    assert len(data) < 8 * MB
    assert hashlib.sha256(data).hexdigest() == weights.sha256
    assert weights.sha256 in (BUNDLED_DIR / "README.md").read_text()


@pytest.mark.parametrize("weights", FAITHFUL, ids=name)
def test_file_has_the_record_of_its_run(weights: Weights) -> None:
    run = json.loads((BUNDLED_DIR / weights.file).with_suffix(".json").read_text())
    assert (run["recipe"]["scale"], run["recipe"]["depth"] + 2) == (weights.scale, weights.radius)
    last = run["curve"][-1]
    assert last["step"] == run["recipe"]["steps"]


@pytest.mark.parametrize("weights", FAITHFUL, ids=name)
def test_network_beats_bicubic(weights: Weights) -> None:
    quality = weights.name.removeprefix("darkroom-")
    assert gain(weights) > MARGIN[quality, weights.scale]
    assert gain(weights, 85) > 0.6
    assert gain(weights, 60) > 0.3


@pytest.mark.parametrize("weights", BUNDLED, ids=name)
def test_both_engines_agree(weights: Weights) -> None:
    picture = cv2.imread(str(PHOTOGRAPHS[0]))
    assert picture is not None
    part = np.ascontiguousarray(picture[:31, :50], np.uint8)
    path = BUNDLED_DIR / weights.file
    # Once it has read a .pb, OpenCV shuffles channels in another way, also those of ONNX files.
    REFERENCE.enlarge(BUNDLED_DIR / BUNDLED[0].file, BUNDLED[0], part)
    expected = REFERENCE.enlarge(path, weights, part)
    made = OpenVINO().enlarge(path, weights, part)
    assert np.abs(made.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("quality", get_args(Quality))
def test_every_quality_has_a_network(quality: Quality) -> None:
    asked = Upscale.model_validate({"quality": quality, "scale": 3})
    assert asked == Upscale.model_validate({"model": f"darkroom-{quality}", "scale": 3})
    assert asked.weights(Catalogue.read(None))
    part = cv2.imread(str(PHOTOGRAPHS[0]))
    assert part is not None
    made = apply(Picture(np.asarray(part[:20, :30], np.uint8)), asked, tools())
    assert (made.width, made.height) == (90, 60)
