"""The training: degradation against hand-computed values, and pictures -> .pb -> a result."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.networks.catalogue import BUNDLED_DIR, Weights
from tests.support import images
from tests.support.paths import ROOT
from training.curve import draw, points
from training.dataset import HELD_OUT, Pair, pair, split
from training.degrade import Plane, bicubic, jpeg, psnr
from workers.upscaler.opencv import REFERENCE

NEEDS_TORCH = pytest.mark.integration
"""Importing it takes seconds in each process of the tests: not in `make check`."""


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
    plane = np.ascontiguousarray(images.scene(64, 64)[:, :, 0])
    assert 20 < psnr(plane, jpeg(plane, 60), 0) < psnr(plane, jpeg(plane, 95), 0) < 60


def folder(tmp_path: Path, count: int = 8) -> Path:
    for number in range(count):
        path = tmp_path / f"{number}.png"
        path.write_bytes(images.png(96, 96, number))
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
    record = json.loads((BUNDLED_DIR / "darkroom-fast_x2.json").read_text())
    curve = points(record)
    assert [p["step"] for p in curve] == sorted(p["step"] for p in curve)
    assert len(curve) > len(record["curve"]) + 10
    picture = draw({"one": curve, "two": curve})
    assert picture.shape == (400, 720, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


@NEEDS_TORCH
def test_a_finished_run_becomes_a_bundled_network(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    from training.bundle import bundle

    run, file = tmp_path / "run", tmp_path / "run" / "network.pb"
    run.mkdir()
    file.write_bytes(b"weights")
    (run / "run.json").write_text('{"recipe": {"depth": 1}}')
    other = {"name": "FSRCNN", "file": "FSRCNN_x2.pb"}
    (tmp_path / "catalogue.json").write_text(json.dumps([other]))
    for name, scale in (("darkroom-best", 3), ("darkroom-fast", 2), ("darkroom-best", 3)):
        path = bundle(name, scale, file, run, tmp_path)
        assert path.with_suffix(".json").read_bytes() == (run / "run.json").read_bytes()
    first, second, last = json.loads((tmp_path / "catalogue.json").read_text())
    assert (first["file"], second["file"]) == ("darkroom-fast_x2.pb", "darkroom-best_x3.pb")
    assert second["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (first["radius"], second["megabytes"], last) == (3, 290, other)


@NEEDS_TORCH
def test_recipes_of_the_bundled_networks() -> None:
    pytest.importorskip("torch", reason="training needs training/requirements.txt")
    from training.recipes import QUALITIES, SCALES, bundled

    for quality in QUALITIES:
        for scale in SCALES:
            recipe = bundled(quality, scale)
            record = json.loads((BUNDLED_DIR / f"darkroom-{quality}_x{scale}.json").read_text())
            # A run that began on two cores and continued on a GPU is one longer run of the recipe.
            steps = points(record)[-1]["step"]
            assert asdict(recipe) == {**record["recipe"], "steps": steps}


@NEEDS_TORCH
def test_blocks_are_exported_as_they_were_trained(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    pytest.importorskip("onnx", reason="training needs training/requirements.txt")
    from training import onnx_file
    from training.export import read, write
    from training.network import Upscaler
    from training.validation import upscale

    torch.manual_seed(3)
    plane = np.ascontiguousarray(images.scene(31, 22)[:, :, 1])
    for scale in (2, 3):
        network = Upscaler(4, 4, scale, residual=True)
        torch.nn.init.normal_(network.tail.weight, std=0.05)
        torch.nn.init.normal_(network.biases, std=0.05)
        path = tmp_path / f"blocks_x{scale}.pb"
        write(network, path)
        weights = Weights("new", "espcn", scale, path.name, "", 6, "", "")
        expected = upscale(network, plane).astype(int)
        got = REFERENCE.enlarge(path, weights, plane).astype(int)
        assert np.abs(got - expected).max() <= 1
        onnx_file.write(network, tmp_path / f"blocks_x{scale}.onnx")
        twin = Weights("new", "espcn", scale, f"blocks_x{scale}.onnx", "", 6, "", "")
        got = REFERENCE.enlarge(tmp_path / twin.file, twin, plane).astype(int)
        assert np.abs(got - expected).max() <= 1
        network.residual = False  # without the blocks' sums the same layers give another result
        assert np.abs(upscale(network, plane).astype(int) - expected).max() > 3
        state = read(path)
        assert state.keys() == network.state_dict().keys()
        assert all((state[name] == value).all() for name, value in network.state_dict().items())
    with pytest.raises(ValueError, match="two layers each, and depth is 3"):
        Upscaler(4, 3, 2, residual=True)


@NEEDS_TORCH
def test_stacked_muon_is_muon() -> None:
    """Three matrices in one parameter move as torch's own Muon moves each of them."""
    torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
    from training.muon import StackedMuon, orthogonalised

    torch.manual_seed(0)
    stack = torch.nn.Parameter(torch.randn(3, 4, 36))
    single = [torch.nn.Parameter(matrix.detach().clone()) for matrix in stack]
    ours = StackedMuon([stack], lr=0.1)
    theirs = torch.optim.Muon(single, lr=0.1, momentum=0.95, weight_decay=0.0)
    for _ in range(3):
        stack.grad = torch.randn_like(stack)
        for matrix, gradient in zip(single, stack.grad, strict=True):
            matrix.grad = gradient.clone()
        ours.step()
        theirs.step()
    # In bfloat16, summed in another order: a step is 0.1 long, and its parts have three digits.
    assert (stack - torch.stack(single)).abs().max() < 0.004
    values = torch.linalg.svdvals(orthogonalised(torch.randn(2, 4, 36)).float())
    assert (values > 0.6).all() and (values < 1.3).all()
    # A kernel moves as the matrix of its rows does.
    kernel, matrix = (torch.nn.Parameter(torch.ones(size)) for size in ((4, 4, 3, 3), (1, 4, 36)))
    matrix.grad = torch.randn_like(matrix)
    kernel.grad = matrix.grad.view_as(kernel)
    StackedMuon([kernel, matrix], lr=0.1).step()
    assert (kernel.flatten() == matrix.flatten()).all()


@NEEDS_TORCH
def test_patches_are_cut_from_the_pictures() -> None:
    """Each low patch lies in its picture, flipped or turned, and each high one where it belongs."""
    pytest.importorskip("torch", reason="training needs training/requirements.txt")
    from training.patches import Patches

    rng = np.random.default_rng(0)
    highs = [rng.integers(0, 256, size, np.uint8) for size in ((40, 24), (24, 60))]
    # The picture before is the mean of each block, the "compressed" ones are its negatives.
    lows = [h.reshape(h.shape[0] // 2, 2, -1, 2).mean((1, 3)).astype(np.uint8) for h in highs]
    pairs = [Pair(high, low, (255 - low, 255 - low)) for high, low in zip(highs, lows, strict=True)]
    low, high = Patches(pairs, 2, "cpu", 5).draw(200, 8, 0.3)
    assert (low.shape, high.shape) == ((200, 1, 8, 8), (200, 1, 16, 16))
    seen = {plane.tobytes() for plane in _oriented(lows, 8)}
    negatives = 0
    for one, large in zip((low * 255).round().numpy(), (high * 255).round().numpy(), strict=True):
        patch, mean = one[0].astype(np.uint8), large[0].reshape(8, 2, 8, 2).mean((1, 3))
        compressed = not (patch == mean.astype(np.uint8)).all()
        negatives += compressed
        upright = 255 - patch if compressed else patch
        assert (upright == mean.astype(np.uint8)).all()
        assert upright.tobytes() in seen
    assert 30 < negatives < 90


def _oriented(planes: list[Plane], size: int) -> Iterator[Plane]:
    """Yield every patch of ``planes`` in each of its eight orientations."""
    for plane in planes:
        for y, x in np.ndindex(plane.shape[0] - size + 1, plane.shape[1] - size + 1):
            for turned in range(4):
                patch = np.rot90(plane[y : y + size, x : x + size], turned)
                yield from (np.ascontiguousarray(patch), np.ascontiguousarray(patch.T))


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")  # torch's and tensorboard's
def test_from_pictures_to_a_result(tmp_path: Path) -> None:
    """One command trains, resumes, exports; dnn_superres reads it and agrees with torch."""
    torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
    pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")
    from training.__main__ import main

    (tmp_path / "pictures").mkdir()
    source = str(folder(tmp_path / "pictures"))
    output, run = tmp_path / "tiny.pb", tmp_path / "run"
    options = ["--run", str(run), "--channels", "4", "--depth", "2", "--patch", "32"]
    done = subprocess.run(
        [*(sys.executable, "-m", "training", source, str(output)), *options, "--steps", "20"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The rest is done in this process: each other one takes seconds to import torch.
    for more in (["--steps", "30"], ["--steps", "99999", "--minutes", "1e-9"]):
        main([source, str(output), *options, *more])
    curve = json.loads((run / "run.json").read_text())["curve"]
    # The second run resumed; the third used up its minutes after one step.
    assert [point["step"] for point in curve] == [20, 30, 31]
    assert json.loads((run / "run.json").read_text())["recipe"]["steps"] == 31
    taught = tmp_path / "taught"
    lesson = ["--teacher", str(run), "--run", str(taught), "--steps", "2", "--residual"]
    main([source, str(tmp_path / "taught.pb"), *options, *lesson])
    assert json.loads((taught / "run.json").read_text())["teacher"] == "run"
    with pytest.raises(ValueError, match="another recipe"):
        main([source, str(output), *options, "--seed", "9"])

    third = ["--start", str(run), "--scale", "3", "--run", str(tmp_path / "third"), "--steps", "1"]
    tripled = [source, str(tmp_path / "tripled.pb"), *options, *third]
    main(tripled)
    assert (tmp_path / "tripled.pb").is_file()
    with pytest.raises(ValueError, match="of another width or depth"):
        main([*tripled, "--depth", "3"])

    from training.export import read
    from training.network import Upscaler

    network = Upscaler(4, 2, 2)
    network.take(read(output))
    again = network.state_dict()
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    network.load_state_dict(saved["averaged"])
    assert all((again[name] == value).all() for name, value in network.state_dict().items())
    plane = np.ascontiguousarray(images.scene(48, 40)[:, :, 1])
    with torch.inference_mode():
        expected = network(torch.from_numpy(plane.astype(np.float32) / 255)[None, None])
    levels = np.clip(np.rint(expected[0, 0].numpy() * 255), 0, 255)
    for algorithm in ("espcn", "fsrcnn"):
        weights = Weights("new", algorithm, 2, output.name, "", 20, "", "")
        got = REFERENCE.enlarge(output, weights, plane)
        assert got.shape == (80, 96)
        assert np.abs(got.astype(int) - levels).max() <= 1
