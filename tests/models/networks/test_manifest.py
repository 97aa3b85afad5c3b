"""User-provided networks: manifests, invalid ones, and ONNX."""

from __future__ import annotations

import codecs
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.errors import BadOutput, BadParameter, WeightsUnusable
from models.networks.catalogue import BUNDLED_DIR, MAX_MANIFEST_BYTES, Catalogue
from models.networks.file_hash import hash_file
from models.operations.upscale import Upscale
from models.settings import Settings
from service.app import create_app
from tests.support import images, onnx_graphs, tensorflow_graphs
from tests.support.tensorflow_graphs import Array
from tests.workers.cli.test_commands import process, size
from tests.workers.operations import apply, bgr
from workers.imaging.picture import Picture, Pixels, Samples
from workers.operations import Tools
from workers.upscaler.engine import Engine, UnusableNetwork
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO


def own(folder: Path, **changes: Any) -> Path:
    """Add a network of a user's own: the bundled one under another name."""
    weights = Catalogue.read(None).find("darkroom-fast", 2)
    shutil.copy(BUNDLED_DIR / weights.file, folder / "mynet_x2.pb")
    manifest = {
        "name": "mynet",
        "algorithm": "espcn",
        "scale": 2,
        "file": "mynet_x2.pb",
        "sha256": weights.sha256,
        "radius": 20,
        **changes,
    }
    path = folder / "mynet_x2.json"
    path.write_text(json.dumps(manifest))
    return path


def upscale(folder: Path, pixels: Pixels, engine: Engine = REFERENCE) -> Samples:
    """Return ``pixels`` enlarged by the network in ``folder``."""
    using = Tools(Catalogue.read(folder), 0, lambda share: None, engine=engine)
    return apply(Picture(pixels), Upscale(model="mynet", scale=2), using).pixels


def test_user_network_upscales(tmp_path: Path) -> None:
    own(tmp_path)
    same = apply(Picture(bgr()), Upscale(model="darkroom-fast", scale=2)).pixels
    assert (upscale(tmp_path, bgr()) == same).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "0" * 64}, "not 0000"),
        ({"sha256": "short"}, "sha256"),
        ({"file": "../mynet_x2.pb"}, "file"),
        ({"file": "other.pb"}, "there is no other.pb beside it"),
        ({"scale": "2"}, "scale"),
        ({"scale": 1}, "scale"),
        ({"scale": True}, "scale"),
        ({"radius": -1}, "radius"),
        ({"algorithm": "magic"}, "algorithm"),
        ({"algorithm": "rgb"}, "rgb is for .onnx files"),
        ({"file": "mynet_x2.exe"}, "file"),
        ({"name": "FSRCNN"}, "already"),
        ({"name": "a b"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_invalid_manifest_affects_only_its_network(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    own(tmp_path, **changes)
    catalogue = Catalogue.read(tmp_path)
    assert "mynet" not in {w.name for w in catalogue.available()}
    (problem,) = catalogue.problems
    assert str(tmp_path) in problem and sentence in problem
    with pytest.raises(BadParameter):
        catalogue.find("mynet", 2)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\x00\xff", "[" * 100_000, "{" + " " * MAX_MANIFEST_BYTES + "}"]
)
def test_malformed_manifests_are_reported(tmp_path: Path, text: str) -> None:
    own(tmp_path).write_text(text)
    assert len(Catalogue.read(tmp_path).problems) == 1


def test_service_starts_and_logs_invalid_manifests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    own(tmp_path, sha256="0" * 64)
    create_app(
        Settings().replace(weights_dir=tmp_path, redis_url="redis://x", mongo_url="mongodb://x")
    )
    assert "network_refused" in capsys.readouterr().out + caplog.text


def convolutions(channels: int) -> list[tuple[Array, Array]]:
    """Return two convolutions and their biases that hand the picture on with a little noise."""
    draw = np.random.default_rng(5)
    shapes = [(5, 5, channels, 8), (3, 3, 8, 4 * channels)]
    kernels = [draw.normal(0, 0.01, shape).astype(np.float32) for shape in shapes]
    for channel in range(channels):
        kernels[0][2, 2, channel, channel] += 1
        kernels[1][1, 1, channel, [place * channels + channel for place in range(4)]] += 1
    return [(kernel, np.full(kernel.shape[3], 0.01, np.float32)) for kernel in kernels]


def onnx_catalogue(
    folder: Path, algorithm: str, half: bool = False, unshuffled: bool = False, **changes: Any
) -> Catalogue:
    """Add a network in ONNX and return the catalogue with it."""
    data = onnx_graphs.network(convolutions(3 if algorithm == "rgb" else 1), 2, half, unshuffled)
    (folder / "other_x2.onnx").write_bytes(data)
    sha256 = hash_file(folder / "other_x2.onnx")
    given = {"file": "other_x2.onnx", "sha256": sha256, "radius": 3, "algorithm": algorithm}
    own(folder, **{**given, **changes})
    return Catalogue.read(folder)


@pytest.mark.parametrize("half", [False, True])
def test_onnx_matches_the_same_tensorflow_graph(tmp_path: Path, half: bool) -> None:
    catalogue = onnx_catalogue(tmp_path, "espcn", half)
    weights = catalogue.find("mynet", 2)
    same = tmp_path / "same_x2.pb"
    same.write_bytes(tensorflow_graphs.espcn(convolutions(1), 2))
    for pixels in (bgr(61, 40), np.ascontiguousarray(bgr(20, 7)[:, :, 1]), bgr(1, 1), bgr(1, 9)):
        expected = REFERENCE.enlarge(same, weights, pixels)
        for engine in (OpenVINO(), REFERENCE):
            made = engine.enlarge(catalogue.path(weights), weights, pixels)
            assert np.abs(made.astype(int) - expected).max() <= 1 + half


@pytest.mark.parametrize("half", [False, True])
def test_rgb_network_gets_red_first_from_0_to_1(tmp_path: Path, half: bool) -> None:
    catalogue = onnx_catalogue(tmp_path, "rgb", half)
    weights = catalogue.find("mynet", 2)
    pixels = bgr(61, 40)
    expected = pixels[:, :, ::-1] / np.float32(255)
    for number, (kernel, bias) in enumerate(convolutions(3)):
        expected = correlate(expected, kernel) + bias
        expected = np.maximum(expected, 0) if number == 0 else expected
    places = expected.reshape(40, 61, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(80, 122, 3)
    levels = np.clip(np.rint(places[:, :, ::-1] * 255), 0, 255)
    gray = np.ascontiguousarray(pixels[:, :, 1])
    for engine in (OpenVINO(), REFERENCE):
        made = engine.enlarge(catalogue.path(weights), weights, pixels)
        assert np.abs(made - levels).max() <= 1
        assert engine.enlarge(catalogue.path(weights), weights, gray).shape == (80, 122)


def test_no_network_may_be_called_as_the_choice_of_one(tmp_path: Path) -> None:
    (tmp_path / "mine.pb").write_bytes(b"network")
    own(tmp_path, name="darkroom-auto", file="mine.pb", sha256=hash_file(tmp_path / "mine.pb"))
    catalogue = Catalogue.read(tmp_path)
    assert "darkroom-auto" not in {w.name for w in catalogue.known}
    assert "there is a network darkroom-auto" in catalogue.problems[0]


def correlate(planes: Any, kernel: Any) -> Any:
    """Return (h, w, in) through ``kernel`` (h, w, in, out) with zeros around it: the oracle."""
    out: Any = np.zeros((*planes.shape[:2], kernel.shape[3]), np.float32)
    for target in range(kernel.shape[3]):
        for source in range(kernel.shape[2]):
            plane = np.ascontiguousarray(planes[:, :, source], np.float32)
            taps = np.ascontiguousarray(kernel[:, :, source, target])
            out[:, :, target] += cv2.filter2D(plane, -1, taps, borderType=cv2.BORDER_CONSTANT)
    return out


@pytest.mark.integration
@pytest.mark.parametrize("engine", ["auto", "opencv"])
def test_user_network_from_the_command_line(tmp_path: Path, engine: str) -> None:
    onnx_catalogue(tmp_path, "rgb")
    (tmp_path / "cat.png").write_bytes(images.png())
    arguments = ("upscale", "cat.png", "out.png", "--model", "mynet")
    done = process(tmp_path, *arguments, WEIGHTS_DIR=str(tmp_path), UPSCALE_ENGINE=engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert size(tmp_path / "out.png") == ("PNG", 80, 60)


@pytest.mark.parametrize("name", ["broken.pb", "broken.onnx"])
def test_invalid_network_file_fails_with_weights_unusable(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no network at all")
    own(tmp_path, file=name, sha256=hash_file(tmp_path / name))
    with pytest.raises(WeightsUnusable, match="no engine here can run this network"):
        upscale(tmp_path, bgr(), OpenVINO())


@pytest.mark.parametrize(
    ("value", "engine"), [(np.nan, OpenVINO()), (np.nan, REFERENCE), (-9.0, OpenVINO())]
)
def test_black_and_nan_output_fails_even_for_a_dark_picture(
    tmp_path: Path, value: float, engine: Engine
) -> None:
    kernels = convolutions(1)
    kernels[1] = (kernels[1][0], np.full(4, value, np.float32))
    (tmp_path / "night.pb").write_bytes(tensorflow_graphs.espcn(kernels, 2))
    own(tmp_path, file="night.pb", sha256=hash_file(tmp_path / "night.pb"), radius=3)
    night = np.asarray(bgr() // 7, np.uint8)  # all its samples are under 40
    with pytest.raises(BadOutput, match="the enlarged picture does not match the input"):
        upscale(tmp_path, night, engine)


def test_unsupported_sides_are_reported(tmp_path: Path) -> None:
    catalogue = onnx_catalogue(tmp_path, "espcn", unshuffled=True)
    weights = catalogue.find("mynet", 2)
    path = catalogue.path(weights)
    assert OpenVINO().enlarge(path, weights, bgr(60, 40)).shape == (80, 120, 3)
    with pytest.raises(UnusableNetwork, match="the network does not take 61 x 47 pixels"):
        OpenVINO().enlarge(path, weights, bgr(61, 47))
    assert REFERENCE.enlarge(path, weights, bgr(60, 40)).shape == (80, 120, 3)
    with pytest.raises(UnusableNetwork, match="OpenCV cannot run it"):
        REFERENCE.enlarge(path, weights, bgr(61, 47))


def test_changed_file_is_not_run(tmp_path: Path) -> None:
    own(tmp_path)
    catalogue = Catalogue.read(tmp_path)
    weights = catalogue.find("mynet", 2)
    catalogue.check(weights)
    path = catalogue.path(weights)
    data = path.read_bytes()
    path.write_bytes(data)  # the same again
    catalogue.check(weights)
    path.write_bytes(data + b" ")
    with pytest.raises(WeightsUnusable, match="was changed since it was read"):
        catalogue.check(weights)
    path.unlink()
    with pytest.raises(WeightsUnusable):
        catalogue.check(weights)


def test_manifest_as_pipe_or_with_byte_order_mark(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    os.mkfifo(tmp_path / "pipe.json")
    catalogue = Catalogue.read(tmp_path)
    assert catalogue.find("mynet", 2)
    (problem,) = catalogue.problems
    assert "pipe.json: it is not a file" in problem
