"""The comparison on damaged photographs: the damage, the table, the page of results."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.networks.catalogue import Catalogue
from tests.support import images
from training import damaged


def test_damage_is_noise_and_jpeg_and_always_the_same() -> None:
    picture = cv2.GaussianBlur(images.scene(96, 64), (0, 0), 3)
    clean, noisy = (damaged.damaged(np.asarray(picture, np.uint8), 2, n, 90) for n in (0, 8))
    assert clean.shape == noisy.shape == (32, 48, 3)
    apart = noisy.astype(float) - clean
    assert 4 < apart.std() < 12
    assert (noisy == damaged.damaged(np.asarray(picture, np.uint8), 2, 8, 90)).all()


def test_table_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(images.png(64, 48))
    catalogue = Catalogue.read(None)
    lines = list(damaged.table(catalogue, [tmp_path / "a.png"]))
    shown = [line.split(" | ")[0].strip("| ") for line in lines[2:]]
    assert shown[0] == "bicubic"
    assert shown[-3:] == [f"darkroom-photo, strength {each}" for each in (65, 80, 100)]
    assert 10 < float(lines[-1].split(" | ")[2].rstrip(" |")) < 60

    monkeypatch.setattr(damaged, "PAGE", (("chelsea.png", 4, 2, 60), ("coffee.png", 3, 2, 60)))
    page = damaged.page(catalogue, ["unknown"])
    assert page.shape == (192 * 2 + 6, 192 * 5 + 6 * 4, 3)
    assert (page[:192, 3 * 198 : 3 * 198 + 192] == 255).all()  # not there: blank
    high = cv2.imread(str(damaged.PHOTOGRAPHS / "chelsea.png"))
    assert (page[:192, -192:] == high).all()
