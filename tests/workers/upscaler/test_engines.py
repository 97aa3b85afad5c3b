"""Engines agree within a level, with or without tiles, and pass a self-test before use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from bench import receptive_field
from models.networks.catalogue import Catalogue, Weights, published_networks
from models.operations.upscale import Upscale
from tests.support.paths import ROOT
from tests.support.tensorflow_graphs import edsr
from tests.workers.operations import apply, bgr, tools
from tests.workers.operations.test_upscale import PUBLISHED
from workers.imaging.picture import Picture, Pixels, Samples
from workers.operations import Tools
from workers.upscaler import faithful, select, tiles
from workers.upscaler.engine import Engine, UnusableNetwork
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO, set_input_shape

OURS = [(w.name, w.scale) for w in published_networks() if w.name.startswith("darkroom-")]
OPENVINO = OpenVINO()
HALF = OpenVINO("bf16")


def max_difference(a: Samples, b: Samples) -> int:
    """Return the largest difference in levels."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def seams(engine: Engine, path: Path, weights: Weights) -> int:
    """Return the largest difference, in levels, between a tiled and an untiled run.

    The middle one of three tiles sees its overlap and no more. Networks that see far take seconds
    for nine tiles: they get a row and a column of three.
    """
    tile = weights.radius + 1
    side, thin = 3 * tile, 9
    square = [(side, side)]
    differences = []
    for width, height in square if weights.radius <= 10 else [(side, thin), (thin, side)]:
        source = bgr(width, height)
        shares: list[float] = []
        tiled = tiles.apply(
            lambda part: engine.enlarge(path, weights, part),
            source,
            weights.scale,
            tile,
            weights.radius,
            shares.append,
        )
        assert len(shares) in {3, 9}
        differences.append(max_difference(tiled, engine.enlarge(path, weights, source)))
    return max(differences)


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, Weights]:
    """A network in the shape of EDSR."""
    path = tmp_path / "EDSR_x2.pb"
    path.write_bytes(edsr(2))
    return path, Weights("EDSR", "edsr", 2, path.name, "", 5, "", "")


@pytest.mark.parametrize("engine", [REFERENCE, OPENVINO])
@pytest.mark.parametrize(("model", "scale"), OURS)
def test_tiles_leave_no_seam_with_a_bundled_network(model: str, scale: int, engine: Engine) -> None:
    catalogue = Catalogue.read(None)
    weights = catalogue.find(model, scale)
    assert seams(engine, catalogue.path(weights), weights) <= 1


@pytest.mark.parametrize("engine", [REFERENCE, OPENVINO])
@pytest.mark.parametrize(("model", "scale"), PUBLISHED)
def test_tiles_leave_no_seam(shared: Path, model: str, scale: int, engine: Engine) -> None:
    catalogue = Catalogue.read(shared / "weights")
    weights = catalogue.find(model, scale)
    # Winograd convolution rounds by position: one level, at a few pixels.
    assert seams(engine, catalogue.path(weights), weights) <= 1


@pytest.mark.parametrize(("model", "scale"), PUBLISHED)
def test_openvino_is_within_a_level_of_the_reference(shared: Path, model: str, scale: int) -> None:
    catalogue = Catalogue.read(shared / "weights")
    weights = catalogue.find(model, scale)
    path = catalogue.path(weights)
    for pixels in (bgr(40, 17), np.ascontiguousarray(bgr(17, 20)[:, :, 1]), bgr(1, 1), bgr(1, 9)):
        expected = REFERENCE.enlarge(path, weights, pixels)
        assert max_difference(OPENVINO.enlarge(path, weights, pixels), expected) <= 1
        assert (
            max_difference(HALF.enlarge(path, weights, pixels), expected)
            <= select.BOUNDS["bf16"].levels
        )


@pytest.mark.parametrize(("model", "scale"), [*OURS, *PUBLISHED])
def test_catalogue_radius_matches_the_graph(shared: Path, model: str, scale: int) -> None:
    catalogue = Catalogue.read(shared / "weights")
    weights = catalogue.find(model, scale)
    assert (
        receptive_field.radius(openvino.Core().read_model(catalogue.path(weights)))
        == weights.radius
    )


def test_radius_and_flops_of_a_known_network(tiny: tuple[Path, Weights]) -> None:
    """Five 3x3 convolutions see 5 pixels each way; 3x8, three 8x8 and 8x12 kernels of 9."""
    model = openvino.Core().read_model(tiny[0])
    assert receptive_field.radius(model) == 5
    set_input_shape(model, 3, 10, 20)
    assert receptive_field.flops(model) == 2 * 9 * (3 * 8 + 3 * 8 * 8 + 8 * 12) * 200


def test_smaller_radius_shows_seams() -> None:
    """The radius is exact, so the seam tests can fail."""
    catalogue = Catalogue.read(None)
    weights = catalogue.find("darkroom-fast", 2)
    short = Weights(**{**vars(weights), "radius": 4})
    assert seams(REFERENCE, catalogue.path(weights), short) > 1


def test_edsr_takes_all_channels(tiny: tuple[Path, Weights]) -> None:
    path, weights = tiny
    for pixels in (bgr(61, 40), np.ascontiguousarray(bgr(40, 33)[:, :, 2])):
        expected = REFERENCE.enlarge(path, weights, pixels)
        made = OPENVINO.enlarge(path, weights, pixels)
        assert made.shape[:2] == (2 * pixels.shape[0], 2 * pixels.shape[1])
        assert max_difference(made, expected) <= 1
        assert max_difference(made[::2, ::2], pixels) < 40  # the picture itself, not noise
    assert seams(OPENVINO, path, weights) <= 1
    assert seams(REFERENCE, path, weights) <= 1


def test_network_with_another_scale_or_kind_is_refused(tiny: tuple[Path, Weights]) -> None:
    path, weights = tiny
    with pytest.raises(UnusableNetwork, match="no output 3 times as large with 3 channels"):
        OPENVINO.enlarge(path, Weights(**{**vars(weights), "scale": 3}), bgr())
    with pytest.raises(UnusableNetwork, match="does not take images with 1 channels"):
        OPENVINO.enlarge(path, Weights(**{**vars(weights), "algorithm": "espcn"}), bgr())


def test_reference_refuses_them_too(tiny: tuple[Path, Weights]) -> None:
    path, weights = tiny
    with pytest.raises(UnusableNetwork):
        REFERENCE.enlarge(path, Weights(**{**vars(weights), "scale": 3}), bgr())
    with pytest.raises(UnusableNetwork):
        REFERENCE.enlarge(path.with_name("none.pb"), weights, bgr())


def test_quantized_edsr_falls_back_to_the_reference(tmp_path: Path) -> None:
    """TensorFlow's quantize_weights wrote it; OpenVINO has no operation Dequantize."""
    path = tmp_path / "mine_x2.pb"
    path.write_bytes(edsr(2, quantized=True))
    fine = tmp_path / "fine_x2.pb"
    fine.write_bytes(edsr(2))
    weights = Weights("mine", "edsr", 2, path.name, "", 5)
    pixels = bgr(61, 40)
    with pytest.raises(UnusableNetwork) as caught:
        OPENVINO.enlarge(path, weights, pixels)
    assert "Dequantize" in caught.value.detail
    expected = REFERENCE.enlarge(path, weights, pixels)
    assert 0 < max_difference(expected, REFERENCE.enlarge(fine, weights, pixels)) < 40
    catalogue = Catalogue([weights], {("mine", 2): path})
    reports: list[dict[str, Any]] = []
    using = Tools(catalogue, 0, lambda share: None, report=reports.append, engine=OPENVINO)
    made = apply(Picture(pixels), Upscale(model="mine", scale=2), using)
    faithful.keep_light(pixels, expected)
    assert max_difference(made.pixels, expected) == 0
    assert reports[0]["engine"] == REFERENCE.label


def test_catalogue_radius_matches_full_edsr(tmp_path: Path) -> None:
    path = tmp_path / "full_x2.pb"
    path.write_bytes(edsr(2, features=4, blocks=32))
    model = openvino.Core().read_model(path)
    set_input_shape(model, 3, 10, 20)
    known = {weights.radius for weights in published_networks() if weights.name == "EDSR"}
    assert known == {receptive_field.radius(model)} == {67}


def test_operation_uses_the_given_engine() -> None:
    plain = tools()
    fast = Tools(plain.catalogue, 0, plain.progress, engine=OPENVINO)
    picture = Picture(bgr(200, 170))
    expected = apply(picture, Upscale(), plain).pixels
    assert max_difference(apply(picture, Upscale(), fast).pixels, expected) <= 1


def test_auto_selects_openvino_if_it_passes_its_self_test() -> None:
    catalogue = Catalogue.read(None)
    assert select.choose_engine("auto", "f32", catalogue)[0].name == "openvino"
    engine, reason = select.choose_engine("auto", "bf16", catalogue)
    assert (engine.label.split()[-1], reason) == ("bf16", "")
    assert select.choose_engine("opencv", "f32", catalogue) == (REFERENCE, "")


def test_the_self_test_measures_the_speed_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, took = 0.0, [1.0, 0.02, 0.01]

    class Timed:
        """An engine that takes a second first, then 20 and 10 ms."""

        name, label, tile_side = "timed", "timed", 64

        def enlarge(self, path: Path, weights: Weights, pixels: Pixels, chroma: Any = None) -> Any:
            nonlocal clock
            clock += took.pop(0)

    monkeypatch.setattr("workers.upscaler.select.time.perf_counter", lambda: clock)
    seconds = select.seconds_per_megapixel(Timed(), Catalogue.read(None))
    assert seconds == pytest.approx(0.01e6 / (64 * 64))
    assert select.seconds_per_megapixel(Timed(), Catalogue([], {})) == 0.0


def test_auto_falls_back_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue.read(None)

    def dim(self: Any, path: Path, weights: Weights, pixels: Pixels) -> Pixels:
        return REFERENCE.enlarge(path, weights, pixels) // 2

    with monkeypatch.context() as patch:
        patch.setattr(OpenVINO, "enlarge", dim)
        engine, reason = select.choose_engine("auto", "f32", catalogue)
        assert engine is REFERENCE
        assert "levels off the reference" in reason
        assert select.choose_engine("openvino", "f32", catalogue)[0].name == "openvino"
    engine, reason = select.choose_engine("auto", "f32", Catalogue([], {}))
    assert engine is REFERENCE
    assert reason.startswith("no self-test")
    monkeypatch.setitem(sys.modules, "workers.upscaler.openvino", None)
    engine, reason = select.choose_engine("auto", "f32", catalogue)
    assert engine is REFERENCE
    assert "does not work: ModuleNotFoundError" in reason
    with pytest.raises(ImportError):
        select.choose_engine("openvino", "f32", catalogue)


@pytest.mark.integration
def test_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    """At import OpenVINO's telemetry writes ~/intel and calls Google unless it is blocked."""
    code = (
        "import socket, sys\n"
        "def forbidden(*given, **more): raise SystemExit('it opens a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = forbidden\n"
        "from workers.upscaler.select import choose_engine\n"
        "from models.networks.catalogue import Catalogue\n"
        "print(choose_engine('auto', 'f32', Catalogue.read(None))[0].name)\n"
        "assert not sys.modules.get('openvino_telemetry')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("openvino\n", "")
    assert list(tmp_path.iterdir()) == []
