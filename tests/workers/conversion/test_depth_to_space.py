"""Pixel shuffles of ONNX files run as they are written, also beside dnn_superres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.networks.catalogue import BUNDLED_DIR, Catalogue, Weights
from tests.workers.operations import bgr
from workers.conversion.depth_to_space import NotReorderedError, blocks_first
from workers.conversion.onnx import Graph, field, read_fields
from workers.upscaler.engine import UnusableNetwork
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO


def shuffled(mode: str, half: bool = False, between: str = "") -> bytes:
    """Return a network that makes twelve channels and shuffles them, ``between`` after.

    ``Add``: they are the sum of two convolutions. ``low``: of a convolution and the input, which
    has one channel then.
    """
    draw = np.random.default_rng(3)
    channels = 1 if between == "low" else 3
    kernel, bias = draw.normal(0, 0.3, (12, channels, 3, 3)), draw.normal(0.3, 0.1, 12)
    dtype = "float16" if half else "float32"
    graph = Graph()
    names = [
        graph.tensor(name, value.astype(np.float16) if half else value.astype(np.float32))
        for name, value in (("kernel", kernel), ("bias", bias))
    ]
    last = graph.node("Conv", ["low", *names], "deep", pads=[1] * 4)
    others = []
    if between == "Add":
        other = graph.tensor("other", draw.normal(0, 0.3, (12, 3, 1, 1)).astype(np.float32))
        others = [graph.node("Conv", ["low", other], "wide")]
    if between == "low":
        between, others = "Add", ["low"]
    last = graph.node(between, [last, *others], "between") if between else last
    graph.node("DepthToSpace", [last], "high", mode=mode, blocksize=2)
    return graph.model("low", "high", (channels, 3), dtype)


@pytest.mark.parametrize(("half", "between"), [(False, ""), (True, ""), (False, "Add")])
@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_both_modes_run_alike_in_both_engines(
    tmp_path: Path, mode: str, half: bool, between: str
) -> None:
    pixels = bgr(14, 9)
    fast = Catalogue.read(None).find("darkroom-fast", 2)
    REFERENCE.enlarge(BUNDLED_DIR / fast.file, fast, pixels)  # from here on OpenCV knows no mode
    path = tmp_path / f"{mode}_{half}.onnx"
    path.write_bytes(shuffled(mode, half, between))
    weights = Weights("net", "rgb", 2, path.name, "", 1)
    expected = OpenVINO().enlarge(path, weights, pixels).astype(int)
    assert np.abs(REFERENCE.enlarge(path, weights, pixels) - expected).max() <= 1 + half


def test_only_the_order_changes() -> None:
    data = shuffled("CRD")
    made = blocks_first(data)
    assert b"CRD" not in made and len(made) == len(data)
    assert sorted(made) == sorted(data.replace(b"CRD", b"DCR"))
    assert blocks_first(made) == made
    assert blocks_first(shuffled("DCR")) == shuffled("DCR")


def test_a_sum_with_an_input_of_one_channel() -> None:
    """Each of the twelve channels gets the same of it, in either order."""
    data = shuffled("CRD", between="low")
    made = blocks_first(data)
    assert b"CRD" not in made
    assert sorted(made) == sorted(data.replace(b"CRD", b"DCR"))
    with pytest.raises(NotReorderedError):  # an input whose channels the file does not tell
        blocks_first(data.replace(field(1, field(1, 1)) * 2, field(1, field(2, b"")) * 2))


def test_what_cannot_be_reordered_is_refused(tmp_path: Path) -> None:
    """A wrong picture would be the other way."""
    data = shuffled("CRD", between="Relu")
    with pytest.raises(NotReorderedError, match="does not stand behind convolutions"):
        blocks_first(data)
    path = tmp_path / "between.onnx"
    path.write_bytes(data)
    with pytest.raises(UnusableNetwork, match="OpenCV cannot run it") as refused:
        REFERENCE.enlarge(path, Weights("net", "rgb", 2, path.name, "", 1), bgr())
    assert "DepthToSpace (CRD)" in refused.value.detail
    with pytest.raises(NotReorderedError, match="stores no kernel"):
        blocks_first(shuffled("CRD").replace(b"kernel", b"KERNEL", 1))


@pytest.mark.parametrize("data", [b"CRD", b"\x3a\x10CRD", b"\xff" * 12 + b"CRD"])
def test_broken_files(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        blocks_first(data)
    with pytest.raises(ValueError, match="not a message"):
        list(read_fields(b"\x08", 0, 1))
