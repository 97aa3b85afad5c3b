"""``python -m bench.engines``: what each engine makes of each network at hand, and of this machine.

Prints two Markdown tables. Every row of the first is a process of its own (its memory is its own):
the tiles of a 640x480 picture, next to one ``dnn_superres.upsample`` of the whole picture, both in
all threads. The second is from file to file. ``--scales 2`` leaves the slow networks out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import openvino

from bench import receptive_field
from bench.throughput import SHARED, make_image
from bench.tiles import fastest, upscale_in_tiles
from models.networks.catalogue import Catalogue
from models.operations import Encoding
from models.operations.upscale import Upscale
from models.settings.worker import usable_cores
from workers.imaging.picture import Pixels
from workers.pipeline import Limits, Pipeline
from workers.upscaler import tiles
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import OpenCV, load_network
from workers.upscaler.openvino import OpenVINO, set_input_shape

WIDTH, HEIGHT = 640, 480
MEGAPIXELS = (1, 2, 4, 8, 16, 50)
ENGINES = ("plain", "opencv", "openvino f32", "openvino bf16")
"""``plain`` is dnn_superres over the whole picture, as everybody uses it."""
Figures = dict[str, float]


def pixels(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    data = np.frombuffer(make_image(0, width, height), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def engine(name: str) -> Engine:
    if name.startswith("openvino"):
        return OpenVINO("bf16" if name.endswith("bf16") else "f32")
    return OpenCV()


def peak(precision: str) -> Figures:
    """Return the GFLOP/s of this machine in a convolution that suits it: 3x3, 64 channels."""
    from openvino import opset13 as ops

    low = ops.parameter([1, 64, 256, 256], np.float32)
    kernel = np.random.default_rng(0).normal(0, 0.01, (64, 64, 3, 3)).astype(np.float32)
    node = low
    for _ in range(4):
        node = ops.convolution(node, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
    model = openvino.Model([node], [low], "peak")
    options = {"INFERENCE_NUM_THREADS": usable_cores(), "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    given = np.ones((1, 64, 256, 256), np.float32)
    took = fastest(lambda: request.infer([given], share_inputs=True))
    return {"gflops": receptive_field.flops(model) / took / 1e6}


def measure(name: str, model: str, scale: int) -> Figures:
    """Return milliseconds and peak MB of one engine and network; run in a process of its own."""
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    weights = catalogue.find(model, scale)
    source, using = pixels(), engine(name)
    path = catalogue.path(weights)
    using.enlarge(path, weights, source[:32, :32])  # what reading and compiling takes stays
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    side = tiles.tile_side(using.tile_side, weights, WIDTH * HEIGHT)
    runs = 5 if scale < 4 else 2
    if name == "plain":
        network = load_network(path, weights.algorithm, scale)
        took = fastest(lambda: network.upsample(source), runs)
    else:
        took = fastest(lambda: upscale_in_tiles(using, catalogue, weights, source, side), runs)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": took, "mb": (after - before) / 1024}


def end_to_end(name: str) -> Figures:
    """Return milliseconds from a 640x480 PNG to its FSRCNN x2 PNG."""
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    weights = catalogue.find("FSRCNN", 2)
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        source = Path(folder) / "original"
        source.write_bytes(make_image(0, WIDTH, HEIGHT))
        network = load_network(catalogue.path(weights), weights.algorithm, 2)
        using = engine(name)

        def plain() -> None:
            read = cv2.imread(str(source), cv2.IMREAD_COLOR)
            cv2.imwrite(str(Path(folder) / "result.png"), network.upsample(read))

        def ours() -> None:
            limits = Limits(10**9, 10**9, 0)
            spec = Upscale(model="FSRCNN", scale=2)
            work = Pipeline(
                [spec], Encoding("png"), catalogue, limits, lambda _: None, engine=using
            )
            work.process(source, Path(folder), 10**9)

        return {"ms": fastest(plain if name == "plain" else ours)}


def linear(name: str, megapixels: int) -> Figures:
    """Return milliseconds and peak MB for FSRCNN x2 of so many megapixels."""
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    weights = catalogue.find("FSRCNN", 2)
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    source = np.asarray(cv2.resize(pixels(), (height * 4 // 3, height)), np.uint8)
    using = engine(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = fastest(lambda: upscale_in_tiles(using, catalogue, weights, source, using.tile_side), 1)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": took, "mb": (after - before) / 1024}


WORK: dict[str, Callable[..., Figures]] = {
    "measure": measure,
    "end_to_end": end_to_end,
    "linear": linear,
    "peak": peak,
}


def run_isolated(work: str, *given: str | int) -> Figures:
    """Return what ``work`` returns in a fresh process, so that one row does not warm the next."""
    command = [sys.executable, "-m", "bench.engines", "--alone", json.dumps([work, *given])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def operations(model: str, scale: int) -> int:
    """Return the floating-point operations of one 640x480 picture, untiled."""
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    read = openvino.Core().read_model(catalogue.path(catalogue.find(model, scale)))
    set_input_shape(read, 1, HEIGHT, WIDTH)
    return receptive_field.flops(read)


def networks(catalogue: Catalogue, scales: list[int], models: list[str]) -> None:
    """Print the first table; the peak is the best seen beside any network: others work here too."""
    peaks = dict.fromkeys(("f32", "bf16"), 0.0)
    measured = []
    for weights in catalogue.available():
        if weights.scale not in scales or weights.name not in (models or weights.name):
            continue
        for precision, best in peaks.items():
            peaks[precision] = max(best, run_isolated("peak", precision)["gflops"])
        for name in ENGINES:
            figures = run_isolated("measure", name, weights.name, weights.scale)
            measured.append((weights.name, weights.scale, name, figures))
    print(
        ", ".join(f"{p}: {g:.0f} GFLOP/s" for p, g in peaks.items()), f"on {usable_cores()} cores\n"
    )
    print("| model | scale | engine | ms | to plain | MP/s | GFLOP/s | of peak | MB more |")
    print("|---|---|---|---|---|---|---|---|---|")
    plain = 0.0
    for model, scale, name, figures in measured:
        took = figures["ms"]
        plain = took if name == "plain" else plain
        speed = operations(model, scale) / took / 1e6
        share = speed / peaks["bf16" if "bf16" in name else "f32"]
        row = f"{took:.0f} | {plain / took:.1f} | {WIDTH * HEIGHT / took / 1e3:.2f} | {speed:.0f}"
        print(f"| {model} | {scale} | {name} | {row} | {share:.0%} | {figures['mb']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description=__doc__)
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--models", nargs="+", default=[])
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    cv2.setNumThreads(usable_cores())
    if asked.alone:
        work, *given = json.loads(asked.alone)
        print(json.dumps(WORK[work](*given)))
        return
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    networks(catalogue, asked.scales, asked.models)
    print("\n| file to file, FSRCNN x2, 640x480 | " + " | ".join(ENGINES) + " |")
    print("|---|" + "---|" * len(ENGINES))
    took = [run_isolated("end_to_end", name)["ms"] for name in ENGINES]
    print("| ms | " + " | ".join(f"{ms:.0f}" for ms in took) + " |\n")
    print("| megapixels, FSRCNN x2 | ms a megapixel | MB more |\n|---|---|---|")
    for size in MEGAPIXELS:
        figures = run_isolated("linear", "openvino f32", size)
        print(f"| {size} | {figures['ms'] / size:.0f} | {figures['mb']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
