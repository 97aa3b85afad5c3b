"""Results of a broken engine are found, retried with the reference, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import BadOutput
from models.networks.catalogue import Catalogue, Weights
from models.operations import Encoding
from models.operations.upscale import Upscale
from tests.support import images
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools, upscale
from workers.pipeline import Limits, Pipeline
from workers.upscaler import quality_report, sanity
from workers.upscaler.colour import Chroma
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.sanity import DEFAULT_LIMITS, DENOISED_LIMITS, SanityLimits

SCENE = np.ascontiguousarray(images.scene(160, 120)[:, :, ::-1])
LIMITS = Limits(10**6, 10**7, 64)


def cubic(pixels: Pixels) -> Pixels:
    size = (pixels.shape[1] * 2, pixels.shape[0] * 2)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def tile_missing(pixels: Pixels) -> Pixels:
    large = cubic(pixels)
    large[:80, :80] = 0
    return large


BROKEN: dict[str, Callable[[Pixels], Pixels]] = {
    "black": lambda p: np.zeros_like(cubic(p)),
    "gray": lambda p: np.full_like(cubic(p), 128),
    "inverted": lambda p: 255 - cubic(p),
    "noise": lambda p: np.random.default_rng(0).integers(0, 2, cubic(p).shape, np.uint8) * 255,
    "a black tile": tile_missing,
    "washed out": lambda p: np.clip(cubic(p).astype(int) + 90, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("limits", [DEFAULT_LIMITS, DENOISED_LIMITS])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_enlargements_are_found(kind: str, limits: SanityLimits) -> None:
    assert sanity.check_enlargement(SCENE, BROKEN[kind](SCENE), limits).fault
    gray = np.asarray(cv2.cvtColor(SCENE, cv2.COLOR_BGR2GRAY), np.uint8)
    assert sanity.check_enlargement(gray, BROKEN[kind](gray), limits).fault


def test_a_denoiser_may_make_flat_gray_of_noise_and_patterns() -> None:
    y, x = np.mgrid[:64, :64]
    board = ((x + y) % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 5, (64, 64))
    ground = np.clip(128 + noise, 0, 255).astype(np.uint8)
    uneven = np.where(x % 16, 126, 133).astype(np.uint8)
    for before, after in (
        (board, uneven),
        (board, np.where((x + y) % 2, 120, 136).astype(np.uint8)),
        (ground, uneven),
        (ground, np.full_like(ground, 128)),
    ):
        assert not sanity.check_enlargement(before, after, DENOISED_LIMITS).fault
    dark = sanity.check_enlargement(ground, np.full_like(ground, 20), DENOISED_LIMITS)
    assert "off on average" in dark.fault


@pytest.mark.parametrize("turn", [0, 2])
def test_a_fault_in_one_band_of_rows_is_found(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanity, "_BAND_ROWS", 40)
    before, after = np.rot90(SCENE, turn), np.rot90(tile_missing(SCENE), turn)
    check = sanity.check_enlargement(
        np.ascontiguousarray(before), np.ascontiguousarray(after), DEFAULT_LIMITS
    )
    assert check.fault


def test_dark_picture_must_not_turn_black() -> None:
    night = (SCENE // 12).astype(np.uint8)
    assert not sanity.check_enlargement(night, cubic(night), DEFAULT_LIMITS).fault
    large = cubic(night)
    large[:80, :80] = 0
    assert "of its light" in sanity.check_enlargement(night, large, DEFAULT_LIMITS).fault
    luma = cv2.cvtColor(cubic(night), cv2.COLOR_BGR2YCrCb)
    luma[:, :, 0] = 0
    black = np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR), np.uint8)
    assert sanity.check_enlargement(night, black, DEFAULT_LIMITS).fault
    flat = np.full((40, 40, 3), 20, np.uint8)
    assert sanity.check_enlargement(flat, np.zeros((80, 80, 3), np.uint8), DEFAULT_LIMITS).fault


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (3, 3), (7, 200), (8, 8), (33, 31)])
def test_flat_and_small_pictures_pass(size: tuple[int, int]) -> None:
    for value in (0, 1, 255):
        flat = np.full((*size, 3), value, np.uint8)
        assert not sanity.check_enlargement(flat, cubic(flat), DEFAULT_LIMITS).fault
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert not sanity.check_enlargement(noise, cubic(noise), DEFAULT_LIMITS).fault


def test_limits_are_exact() -> None:
    found = sanity.check_enlargement(SCENE, cubic(SCENE), DEFAULT_LIMITS)
    assert 20 < found.psnr_db < 99
    assert not sanity.check_enlargement(
        SCENE, cubic(SCENE), SanityLimits(found.psnr_db, found.block_shift)
    ).fault
    assert sanity.check_enlargement(
        SCENE, cubic(SCENE), SanityLimits(found.psnr_db + 0.01, 255)
    ).fault
    assert sanity.check_enlargement(
        SCENE, cubic(SCENE), SanityLimits(0, found.block_shift - 0.5)
    ).fault


@pytest.mark.parametrize("pattern", ["noise", "checkerboard", "columns", "saturated"])
def test_the_hardest_patterns_pass_through_the_bundled_network(pattern: str) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64]
    made = {
        "noise": rng.integers(0, 256, (64, 64, 3)),
        "checkerboard": np.repeat(((x + y) % 2 * 255)[:, :, None], 3, axis=2),
        "columns": np.repeat((x % 2 * 255)[:, :, None], 3, axis=2),
        "saturated": rng.integers(0, 2, (64, 64, 3)) * 255,
    }[pattern].astype(np.uint8)
    tools = Tools(Catalogue.read(None), 64, lambda share: None)
    picture = Picture(made)
    assert upscale.upscale(picture, Upscale(), tools).width == 128


def pipeline(tmp_path: Path, measured: bool = False) -> Pipeline:
    (tmp_path / "source.png").write_bytes(images.png(160, 120))
    return Pipeline(
        [Upscale()],
        Encoding("png"),
        Catalogue.read(None),
        LIMITS,
        lambda share: None,
        report=measured,
    )


class Broken:
    """An engine whose results are black."""

    name = label = "broken"
    tile_side = 64

    def enlarge(
        self, path: Path, weights: Weights, pixels: Pixels, chroma: Chroma = Chroma.BILINEAR
    ) -> Pixels:
        return BROKEN["black"](pixels)


def test_a_broken_engine_is_replaced_by_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = upscale.engines

    def both(tools: Tools) -> list[Engine]:
        return [Broken(), *good(tools)]

    (expected,) = pipeline(tmp_path).process(tmp_path / "source.png", tmp_path, 10**6).results
    monkeypatch.setattr(upscale, "engines", both)
    outputs = pipeline(tmp_path, measured=True).process(tmp_path / "source.png", tmp_path, 10**6)
    assert outputs.results[0].sha256 == expected.sha256
    assert outputs.report is not None
    assert outputs.report["upscales"][0]["engine"] == REFERENCE.label


def test_no_sound_engine_raises_bad_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscale, "engines", lambda tools: [Broken()])
    with pytest.raises(BadOutput, match="every pixel is 0, but the input is not flat") as caught:
        pipeline(tmp_path).process(tmp_path / "source.png", tmp_path, 10**6)
    assert caught.value.document()["code"] == "bad_output"
    assert caught.value.facts == {"engines": ["broken"]}


def test_pipeline_report(tmp_path: Path) -> None:
    outputs = pipeline(tmp_path, measured=True).process(tmp_path / "source.png", tmp_path, 10**6)
    assert outputs.report is not None
    assert set(outputs.report["ms"]) == {"decode", "upscale", "encode"}
    assert all(stage_ms > 0 for stage_ms in outputs.report["ms"].values())
    (figures,) = outputs.report["upscales"]
    weights = Catalogue.read(None).find("darkroom-balanced", 2)
    assert figures["weights_sha256"] == weights.sha256
    assert (figures["model"], figures["scale"]) == ("darkroom-balanced", 2)
    assert figures["psnr"] > 25
    assert 0.8 < figures["ssim"] <= 1
    assert outputs.document()["report"] == outputs.report
    plain = pipeline(tmp_path).process(tmp_path / "source.png", tmp_path, 10**6)
    assert plain.report is None


def test_measurements_match_known_values() -> None:
    tall = np.ascontiguousarray(images.scene(40, 600)[:, :, ::-1])  # of several bands
    found = quality_report.measure(tall, cubic(tall), 2)
    assert (
        abs(found["detail_gain_db"]) < 0.1
    )  # bicubic against itself, apart from the ends of the bands
    back = cv2.resize(cubic(tall), (40, 600), interpolation=cv2.INTER_AREA)
    assert found["psnr"] == pytest.approx(images.psnr(tall, back), abs=0.01)
    same = quality_report.measure(tall, np.repeat(np.repeat(tall, 2, axis=0), 2, axis=1), 2)
    assert (same["psnr"], same["ssim"]) == (99.0, 1.0)
    assert same["detail_gain_db"] > 1
    flat = np.full((9, 9, 3), 7, np.uint8)
    assert quality_report.measure(flat, cubic(flat), 2) == {
        "psnr": 99.0,
        "ssim": 1.0,
        "detail_gain_db": 0,
    }
