"""A watcher of a temporary folder, whose children only copy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.networks.catalogue import Catalogue
from models.operations.steps import read_pipeline
from models.settings import Settings
from tests.workers.watching import Children
from workers.watching import folder_scan, watcher
from workers.watching.order import Order
from workers.watching.record import Record
from workers.watching.watcher import Watcher


@pytest.fixture
def children() -> Children:
    return Children()


@pytest.fixture
def watching(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watcher]:
    """A watcher of tmp_path/in that takes files at once."""
    monkeypatch.setattr(folder_scan, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(watcher, "_TROUBLE_SECONDS", 0.001)
    for name in ("in", "out", "scratch"):
        (tmp_path / name).mkdir()
    source, results = tmp_path / "in", tmp_path / "out"
    order = Order(
        source, results, source / "failed", read_pipeline(["resize=0.5"], 20), None, "none"
    )
    made: Any = children
    with Record(results) as record:
        yield Watcher(
            order,
            Settings(),
            Catalogue.read(None),
            record,
            made,
            tmp_path / "scratch",
            print,
            lambda line: print(line, file=sys.stderr),
        )
