"""The training: degradation against hand-computed values, and pictures -> .pb -> a result."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.catalogue import BUNDLED, Weights
from models.operations.upscale import Quality
from tests import pictures
from training.curve import draw
from training.degrade import bicubic, jpeg, psnr
from training.pictures import HELD_OUT, pair, split
from workers.upscaler.opencv import REFERENCE

ROOT = Path(__file__).resolve().parent.parent


def test_halving_a_step_by_hand() -> None:
    """Matlab's imresize(x, 0.5): output i lies at 2i + 0.5, its taps at 0.25, 0.75, 1.25, 1.75.

    Keys' kernel with a = -0.5 there: 0.8671875, 0.2265625, -0.0703125, -0.0234375, halved because
    the stretched kernel sums to two. Output 3 sees inputs 8, 9 and 10 beyond the step, with weights
    (0.2265625 - 0.0703125 - 0.0234375) / 2 = 0.06640625; output 4 misses as much on its side.
    """
    row = np.array([0] * 8 + [200] * 8, np.uint8)
    half = bicubic(np.tile(row, (16, 1)), 8, 8)[4]
    assert (half[3], half[4]) == (round(200 * 0.06640625), round(200 * (1 - 0.06640625)))


def test_enlarging_by_hand() -> None:
    """Output 0 of a doubling lies at -0.25: k(1.75), k(0.75) on the mirror, k(0.25), k(1.25)."""
    plane = np.array([[10, 50, 90, 130]] * 4, np.uint8)
    big = bicubic(plane, 8, 8)
    mirrored = [50, 10, 10, 50]
    taps = [-0.0234375, 0.2265625, 0.8671875, -0.0703125]
    assert big[3, 0] == round(sum(a * b for a, b in zip(mirrored, taps, strict=True)))
    # Inside a ramp interpolation is exact: output 3 lies at 1.25, output 4 at 1.75.
    assert (big[3, 3], big[3, 4]) == (60, 80)


def test_constant_planes_stay_constant() -> None:
    plane = np.full((12, 18), 77, np.uint8)
    assert (bicubic(plane, 4, 6) == 77).all()
    assert (bicubic(plane, 36, 54) == 77).all()


def test_psnr_by_hand() -> None:
    a = np.zeros((8, 8), np.uint8)
    b = a.copy()
    b[0, 0] = 255  # in the border, cropped
    assert psnr(a, b, 2) == float("inf")
    b[4, 4] = 16  # one of the 16 pixels left: MSE 16
    assert psnr(a, b, 2) == pytest.approx(10 * np.log10(255**2 / 16))


def test_jpeg_loses_a_little() -> None:
    plane = np.ascontiguousarray(pictures.scene(64, 64)[:, :, 0])
    assert 20 < psnr(plane, jpeg(plane, 60), 0) < psnr(plane, jpeg(plane, 95), 0) < 60


def folder(tmp_path: Path, count: int = 8) -> Path:
    for number in range(count):
        path = tmp_path / f"{number}.png"
        path.write_bytes(pictures.png(96, 96, number))
    return tmp_path


def test_held_out_pictures_are_never_trained_on(tmp_path: Path, shared: Path) -> None:
    training, held_out = split(folder(tmp_path))
    assert (len(training), len(held_out)) == (6, 2)
    training, held_out = split(shared / "train")
    assert len(held_out) == HELD_OUT
    assert {p.parent.name for p in held_out} == {"div2k"}
    assert not set(training) & set(held_out)


def test_pairs_are_whole_multiples() -> None:
    made = pair(np.zeros((31, 41), np.uint8), 3, (85, 60))
    assert (made.high.shape, made.low.shape) == ((30, 39), (10, 13))
    assert [plane.shape for plane in made.compressed] == [(10, 13)] * 2


def test_curve_is_drawn() -> None:
    curve = json.loads((BUNDLED / "darkroom-fast_x2.json").read_text())["curve"]
    picture = draw({"one": curve, "two": curve})
    assert picture.shape == (400, 720, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def test_a_finished_run_becomes_a_bundled_network(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    from training.bundle import put
    from training.network import Upscaler

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    other = {"name": "FSRCNN", "file": "FSRCNN_x2.pb"}
    (tmp_path / "catalogue.json").write_text(json.dumps([other]))
    order: list[tuple[Quality, int]] = [("best", 3), ("fast", 2), ("best", 3)]
    for quality, scale in order:
        path = put(Upscaler(4, 1, scale), quality, tmp_path / "run", tmp_path)
        assert path.with_suffix(".json").read_text() == "{}"
    first, second, last = json.loads((tmp_path / "catalogue.json").read_text())
    assert (first["file"], second["file"]) == ("darkroom-fast_x2.pb", "darkroom-best_x3.pb")
    assert second["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (second["radius"], last) == (3, other)


def test_recipes_of_the_bundled_networks() -> None:
    pytest.importorskip("torch", reason="training needs training/requirements.txt")
    from training.recipes import QUALITIES, SCALES, bundled

    for quality in QUALITIES:
        for scale in SCALES:
            recipe = bundled(quality, scale)
            record = json.loads((BUNDLED / f"darkroom-{quality}_x{scale}.json").read_text())
            assert asdict(recipe) == record["recipe"]


def test_a_mirrored_network_is_the_mean_of_four(tmp_path: Path) -> None:
    """Of the picture and its mirror images, turned back: by torch's flips, by dnn_superres."""
    torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    from training.export import read, write
    from training.network import Upscaler

    torch.manual_seed(3)
    plane = np.ascontiguousarray(pictures.scene(31, 22)[:, :, 1])
    for scale in (2, 3):
        network = Upscaler(4, 2, scale)
        torch.nn.init.normal_(network.tail.weight, std=0.05)
        torch.nn.init.normal_(network.tail.bias, std=0.05)
        path = tmp_path / f"mirrored_x{scale}.pb"
        write(network, path, mirrored=True)
        x = torch.from_numpy(plane.astype(np.float32) / 255)[None, None]
        with torch.inference_mode():
            upright = network(x)
            images = [network(x.flip(axes)).flip(axes) for axes in ((2,), (3,), (2, 3))]
        mean = (upright + sum(images)) / 4
        assert np.abs((mean - upright).numpy()).max() * 255 > 3  # else it would prove nothing
        weights = Weights("new", "espcn", scale, path.name, "", 4, "", "")
        got = REFERENCE.enlarge(path, weights, plane).astype(int)
        assert np.abs(got - np.clip(np.rint(mean[0, 0].numpy() * 255), 0, 255)).max() <= 1
        state = read(path)
        assert state.keys() == network.state_dict().keys()
        assert all((state[name] == value).all() for name, value in network.state_dict().items())


def test_from_pictures_to_a_result(tmp_path: Path) -> None:
    """One command trains, resumes, exports; dnn_superres reads it and agrees with torch."""
    torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    (tmp_path / "pictures").mkdir()
    source = folder(tmp_path / "pictures")
    output, run = tmp_path / "tiny.pb", tmp_path / "run"
    command = [sys.executable, "-W", "ignore", "-m", "training", str(source), str(output)]
    options = ["--run", str(run), "--channels", "4", "--depth", "2", "--patch", "32"]
    for steps in ("20", "30"):
        done = subprocess.run(
            [*command, *options, "--steps", steps],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    curve = json.loads((run / "run.json").read_text())["curve"]
    assert [point["step"] for point in curve] == [20, 30]  # the second run went on, not anew
    other = subprocess.run(
        [*command, *options, "--seed", "9"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "another recipe" in other.stderr

    third = ["--start", str(run), "--scale", "3", "--run", str(tmp_path / "third"), "--steps", "1"]
    for more, sentence in (([], ""), (["--depth", "3"], "of another width or depth")):
        tripled = subprocess.run(
            [*command[:-1], str(tmp_path / "tripled.pb"), *options, *third, *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (tripled.returncode != 0) == bool(sentence) and sentence in tripled.stderr

    from training.export import read
    from training.network import Upscaler

    network = Upscaler(4, 2, 2)
    network.take(read(output))
    again = network.state_dict()
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    network.load_state_dict(saved["averaged"])
    assert all((again[name] == value).all() for name, value in network.state_dict().items())
    plane = np.ascontiguousarray(pictures.scene(48, 40)[:, :, 1])
    with torch.inference_mode():
        expected = network(torch.from_numpy(plane.astype(np.float32) / 255)[None, None])
    levels = np.clip(np.rint(expected[0, 0].numpy() * 255), 0, 255)
    for algorithm in ("espcn", "fsrcnn"):
        weights = Weights("new", algorithm, 2, output.name, "", 20, "", "")
        got = REFERENCE.enlarge(output, weights, plane)
        assert got.shape == (80, 96)
        assert np.abs(got.astype(int) - levels).max() <= 1
