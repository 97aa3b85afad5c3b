"""Networks of ncnn become ONNX files that both engines run, or a clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.networks.catalogue import Weights
from tests.models.networks.test_manifest import correlate
from tests.support.ncnn_files import NcnnFiles, nearest_twice
from tests.workers.operations import bgr
from workers.conversion.ncnn import ConversionError
from workers.conversion.ncnn_to_onnx import convert
from workers.imaging.picture import Pixels
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO

ENGINES = (OpenVINO(), REFERENCE)


def levels(values: Any) -> Any:
    return np.clip(np.rint(values * 255), 0, 255)


def assert_made(folder: Path, files: NcnnFiles, scale: int, pixels: Pixels, expected: Any) -> None:
    """Check that both engines make ``expected``, RGB from 0 to 1, of BGR ``pixels``."""
    path = folder / f"net_x{scale}.onnx"
    path.write_bytes(convert(files.param, files.weights))
    weights = Weights("net", "rgb", scale, path.name, "", 4)
    for engine in ENGINES:
        made = engine.enlarge(path, weights, pixels).astype(int)
        assert np.abs(made - levels(expected)[:, :, ::-1]).max() <= 1, engine.name


@pytest.mark.parametrize("half", [False, True])
def test_layers_of_residual_networks(tmp_path: Path, half: bool) -> None:
    """Dense blocks as in x4plus: leaky convolutions, concatenation, weighted sums."""
    draw = np.random.default_rng(7)
    first = draw.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float16).astype(np.float32)
    second = draw.normal(0, 0.2, (3, 7, 3, 3)).astype(np.float16).astype(np.float32)
    bias = draw.normal(0, 0.1, 4).astype(np.float32)
    files = NcnnFiles()
    files.layer("Split copy 1 3 low a b c")
    leaky = "Convolution one 1 1 a d 0=4 1=3 4=1 5=1 6=108 9=2 -23310=1,2.000000e-01"
    files.layer(leaky, first, bias, half=half)
    files.layer("Concat both 2 1 b d e")
    files.layer("Convolution two 1 1 e f 0=3 1=3 4=1 6=189", second, half=half)
    files.layer("Eltwise sum 2 1 f c g 0=1 -23301=2,5.000000e-01,1.000000e+00")
    files.layer("Interp large 1 1 g high 0=1 1=2.000000e+00 2=2.000000e+00")
    pixels = bgr(20, 11)
    rgb = pixels[:, :, ::-1] / np.float32(255)
    linear = correlate(rgb, first.transpose(2, 3, 1, 0)) + bias
    dense = np.concatenate([rgb, np.where(linear < 0, linear * 0.2, linear)], axis=2)
    small = correlate(dense, second.transpose(2, 3, 1, 0)) * 0.5 + rgb
    assert_made(tmp_path, files, 2, pixels, small.repeat(2, 0).repeat(2, 1))


def test_layers_of_compact_networks(tmp_path: Path) -> None:
    """As in x4v3: slopes, depth to space, the repeated input added."""
    draw = np.random.default_rng(8)
    first, second = (
        draw.normal(0, 0.4, shape).astype(np.float32) for shape in ((8, 3, 1, 1), (12, 8, 1, 1))
    )
    slopes = draw.uniform(-1, 1, 8).astype(np.float32)
    files = NcnnFiles()
    files.layer("Split copy 1 2 low a b")
    files.layer("Convolution one 1 1 b c 0=8 1=1 6=24", first)
    files.layer("PReLU two 1 1 c d 0=8", slopes)
    files.layer("Convolution three 1 1 d e 0=12 1=1 6=96", second)
    files.layer("PixelShuffle four 1 1 e f 0=2")
    files.layer("Interp five 1 1 a g 0=1 1=2.0 2=2.0")
    files.layer("BinaryOp six 2 1 f g high")
    pixels = bgr(9, 6)
    rgb = pixels[:, :, ::-1] / np.float32(255)
    deep = rgb @ first[:, :, 0, 0].T
    deep = np.where(deep < 0, deep * slopes, deep) @ second[:, :, 0, 0].T
    places = deep.reshape(6, 9, 3, 2, 2).transpose(0, 3, 1, 4, 2).reshape(12, 18, 3)
    assert_made(tmp_path, files, 2, pixels, places + rgb.repeat(2, 0).repeat(2, 1))


def test_bicubic_shrinking(tmp_path: Path) -> None:
    """As in animevideov3 at x3: four times as large, then three quarters of it."""
    files = NcnnFiles()
    same = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    files.layer("Convolution same 1 1 low b 0=3 1=1 6=9", same)
    files.layer("Interp one 1 1 b a 0=1 1=4.0 2=4.0")
    files.layer("Interp two 1 1 a high 0=3 1=7.500000e-01 2=7.500000e-01")
    pixels = bgr(12, 10)
    large = (pixels[:, :, ::-1] / np.float32(255)).repeat(4, 0).repeat(4, 1)
    expected = cv2.resize(large, (36, 30), interpolation=cv2.INTER_CUBIC)
    assert_made(tmp_path, files, 3, pixels, expected)


def test_the_same_network_is_the_same_file() -> None:
    files = nearest_twice()
    assert convert(files.param, files.weights) == convert(files.param, files.weights)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Sigmoid x 1 1 high y", "layer x: Sigmoid is not known"),
        ("Convolution x 1 1 high y 0=3 1=3 2=2 6=81", "Convolution with parameter 2 = 2"),
        ("Convolution x 1 1 high y 0=3 1=3 3=2 6=81", "Convolution with parameter 3 = 2"),
        ("Convolution x 1 1 high y 0=0 1=3 6=81", "81 weights make no kernels"),
        ("Convolution x 1 1 high y 0=3 1=3 6=80", "80 weights make no kernels"),
        ("Convolution x 1 1 high y 0=3.5 1=3 6=81", "parameter 0 is 3.5, not whole"),
        ("Convolution x 1 1 high y 0=3 1=1 6=9", "the .bin file ends before the weights do"),
        ("Interp x 1 1 high y 0=2 1=2.0 2=2.0", "this kind of Interp is not known"),
        ("Interp x 1 1 high y 0=1 1=1.5 2=1.5", "this kind of Interp is not known"),
        ("Interp x 1 1 high y 0=1", "an input or output is missing"),
        ("BinaryOp x 2 1 high low y 0=2", "BinaryOp with parameter 0 = 2"),
        ("BinaryOp x 1 0 high", "an input or output is missing"),
        ("Eltwise x 3 1 high low low y 0=1", "a sum of 3 is not known"),
        ("Input x 0 1 y", "not one input"),
        ("Interp x", "a line is no layer"),
        ("Interp x one 1 high y", "a line is no layer"),
        ("Interp x 1 1 high y 0:1", "a line is no layer"),
    ],
)
def test_what_is_not_known_is_said(line: str, sentence: str) -> None:
    files = nearest_twice()
    files.layer(line)
    with pytest.raises(ConversionError, match=sentence):
        convert(files.param, files.weights)


def test_broken_files() -> None:
    files = nearest_twice()
    for param, weights, sentence in (
        ("", b"", "does not begin with 7767517"),
        (files.param.replace("7767517", "123"), files.weights, "does not begin with 7767517"),
        ("7767517\n1 1\n", b"", "not one input"),
        (files.param, files.weights[:-1], "ends before"),
        (files.param, files.weights + b"more", "4 bytes of weights are left over"),
        (files.param, b"\x01" + files.weights[1:], r"unknown form \(0x1\)"),
    ):
        with pytest.raises(ConversionError, match=sentence):
            convert(param, weights)
