"""The comparison of networks: measures against hand-computed values, tables, the chart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.networks.catalogue import BUNDLED_DIR, Catalogue
from tests.models.networks.test_manifest import convolutions
from tests.support import images, onnx_graphs
from training import chart
from training.candidates import enlarger, names, read_catalogue
from training.compare import BEGIN, END, choose, compress, table, write_into
from training.dataset import HELD_OUT
from training.metrics import crop, luma, psnr, ssim
from training.speed import _seconds


def test_luma_has_studio_swing() -> None:
    """Matlab's documentation of rgb2ycbcr: [16, 235]; red alone 16 + 65.481."""
    colours = np.array([[[0, 0, 0], [255, 255, 255], [0, 0, 255], [128, 128, 128]]], np.uint8)
    expected = [[16, 235, 81.481, 16 + 219 * 128 / 255]]
    assert luma(colours) == pytest.approx(np.array(expected))


def test_psnr_by_hand() -> None:
    one = np.zeros((8, 8, 3))
    other = one.copy()
    assert psnr(one, other) == float("inf")
    other[4, 4, 1] = 16  # one of 192 samples: MSE 4 / 3
    assert psnr(one, other) == pytest.approx(10 * np.log10(255**2 / (4 / 3)))
    other[0, 0] = 255
    assert psnr(crop(one, 1), crop(other, 1)) == pytest.approx(10 * np.log10(255**2 * 108 / 256))


def test_ssim_by_hand() -> None:
    draw = np.random.default_rng(2)
    one, other = draw.uniform(16, 235, (2, 11, 11))  # one window
    assert ssim(one, one) == pytest.approx(1)
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    means = [(window * each).sum() for each in (one, other)]
    variances = [(window * (e - m) ** 2).sum() for e, m in zip((one, other), means, strict=True)]
    covariance = (window * (one - means[0]) * (other - means[1])).sum()
    c1, c2 = 2.55**2, 7.65**2
    above = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    below = (means[0] ** 2 + means[1] ** 2 + c1) * (sum(variances) + c2)
    assert ssim(one, other) == pytest.approx(above / below)
    # Flat planes differ by their means alone.
    assert ssim(np.full((20, 15), 100.0), np.full((20, 15), 110.0)) == pytest.approx(
        (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    )


def test_pictures_are_held_out_ones_or_all(tmp_path: Path, shared: Path) -> None:
    chosen = choose(shared / "train", 3)
    assert {path.parent.name for path in chosen} == {"div2k"}
    assert len(choose(shared / "train", 99)) == HELD_OUT
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(images.png(48, 48, number))
    assert [path.name for path in choose(tmp_path, 3)] == ["0.png", "2.png", "4.png"]
    assert len(choose(tmp_path, 99)) == 5
    (tmp_path / "none").mkdir()
    with pytest.raises(SystemExit, match="no pictures there"):
        choose(tmp_path / "none", 3)


def others(folder: Path) -> Path:
    """Make a folder with a network for x2, a file that is none, and two with other names."""
    folder.mkdir()
    (folder / "tiny_x2.onnx").write_bytes(onnx_graphs.network(convolutions(3), 2))
    (folder / "broken_x2.onnx").write_bytes(b"no network")
    (folder / "nameless.onnx").write_bytes(b"")
    (folder / "darkroom-fast_x2.onnx").write_bytes(b"another")
    return folder


def test_table_has_all_networks_and_what_is_refused(tmp_path: Path) -> None:
    catalogue = read_catalogue(None, others(tmp_path / "others"))
    bundled = ["darkroom-fast", "darkroom-balanced", "darkroom-best", "darkroom-photo"]
    expected = ["bicubic", *bundled, "broken", "tiny"]
    assert names(catalogue, 2) == expected
    small = Catalogue(
        [w for w in catalogue.known if w.name in {"darkroom-fast", "broken", "tiny"}],
        {(w.name, w.scale): catalogue.path(w) for w in catalogue.available()},
    )
    pictures = tmp_path / "Set1"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(images.png(49, 40))
    lines, clean = table(small, pictures, 2, 6, {"tiny": 1.5})
    head, rule, *rows = [line.split(" | ") for line in lines]
    assert head[0] == "| x2, 1 picture of Set1" and head[-1] == "seconds, 640x480 |"
    assert len(rule[0].split("|---")) == len(head) + 1
    by_name = {row[0].strip("| *"): row[1:] for row in rows}
    assert list(by_name) == ["bicubic", "darkroom-fast", "broken", "tiny"]
    assert by_name["broken"][0] == "weights_unusable"
    assert by_name["tiny"][-1] == "1.50 |"
    assert float(by_name["darkroom-fast"][0]) == pytest.approx(clean["darkroom-fast"], abs=0.005)
    assert clean["darkroom-fast"] > clean["bicubic"] + 1
    assert set(clean) == {"bicubic", "darkroom-fast", "tiny"}
    for row in (by_name["bicubic"], by_name["darkroom-fast"]):
        unspoilt, *compressed = (float(cell) for cell in row[:9:3])
        assert unspoilt > max(compressed)
        assert all(0.2 < float(cell) <= 1 for cell in row[1:9:3])


def test_candidates_are_what_the_service_makes(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(BUNDLED_DIR / "darkroom-fast_x3.pb", folder)
    catalogue = read_catalogue(folder, None)
    low = images.scene(20, 16)
    assert enlarger(catalogue, "darkroom-fast", 3)(low).shape == (48, 60, 3)
    assert enlarger(catalogue, "bicubic", 4)(low).shape == (64, 80, 3)
    assert (enlarger(catalogue, "bicubic", 2)(np.full((9, 8, 3), 77, np.uint8)) == 77).all()
    assert (compress(low, None) == low).all() and not (compress(low, 60) == low).all()


@pytest.fixture
def threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("threads")
def test_seconds_are_processor_time() -> None:
    assert 0.001 < _seconds(None, None, "darkroom-fast", 4) < 60
    assert cv2.getNumThreads() == 1


def test_chart_shows_each_network() -> None:
    points = {"darkroom-fast": (0.1, 35.0), "span": (0.9, 35.02), "other": (40.0, 31.0)}
    drawn = chart.draw([("x2", points), ("x4", {"alone": (1.0, 30.0)})])
    assert drawn.shape == (440, 1120, 3)
    for colour, count in ((chart._OURS, 1), (chart._OTHERS, 3)):
        dots = cv2.inRange(drawn, np.array(colour), np.array(colour))
        solid = cv2.erode(dots, np.ones((5, 5), np.uint8))
        assert cv2.connectedComponents(solid)[0] - 1 == count
    taken: list[tuple[int, int]] = []
    heights = [chart._free(taken, 100, 50) for _ in range(3)]
    assert heights == [50, 64, 78]


def test_tables_are_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    write_into(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="no <!-- compare: begin -->"):
        write_into(page, "new")
    assert BEGIN in (BUNDLED_DIR / "README.md").read_text()
