"""``python -m bench.memory [--large]``: predicted and measured peak memory of a task's child.

Prints a Markdown table in MB, each task in a fresh child process: noise, the worst that can be
compressed. ``--large``: also x2 of 50 megapixels, which takes a minute or more and 1 GB.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.images.encoder_settings import DEFAULT
from models.images.inspect import OutputFormat, decoded_formats, inspect
from models.memory_estimate import estimate as predicted
from models.networks.catalogue import Catalogue
from models.operations import Encoding, load
from models.settings import Settings
from workers.child.pool import ChildPool
from workers.child.request import Request
from workers.imaging.picture import Picture
from workers.imaging.writer import write

UPSCALE = {"op": "upscale", "scale": 2, "model": "darkroom-balanced"}
RESIZE = {"op": "resize", "width": 3000, "height": 2000}
WORK: list[tuple[dict[str, Any], OutputFormat]] = [
    ({"op": "rotate", "angle": 90}, "png"),
    ({"op": "blur", "kernel": 25}, "jpeg"),
    (RESIZE, "png"),
    (RESIZE, "webp"),
    (UPSCALE, "png"),
]
KINDS = ("jpeg", "gray", "rgb", "rgba", "gray16", "gray+alpha16", "rgb16", "rgba16")
CHANNELS = {"gray": 1, "gray+alpha": 2, "rgb": 3, "rgba": 4, "jpeg": 3}
DECODED: dict[str, tuple[str, int, list[int]]] = {
    "webp": (".webp", 4, [cv2.IMWRITE_WEBP_QUALITY, 101]),  # above 100: lossless
    "avif": (".avif", 4, [cv2.IMWRITE_AVIF_QUALITY, 50, cv2.IMWRITE_AVIF_SPEED, 10]),
    "avif16": (".avif", 4, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_SPEED, 10]),
    "tiff": (".tif", 4, [cv2.IMWRITE_TIFF_COMPRESSION, 5]),
    "tiff16": (".tif", 4, [cv2.IMWRITE_TIFF_COMPRESSION, 5]),
    "bmp": (".bmp", 3, []),
}
"""Other formats, whose decoders are measured: suffix, channels, options of OpenCV's encoder. None
here writes HEIC."""
NOTHING: tuple[dict[str, Any], OutputFormat] = ({"op": "flip", "direction": "vertical"}, "png")
CASES = [(kind, 2000, 1500, *work) for kind in KINDS for work in WORK]
CASES += [(kind, 2000, 1500, *NOTHING) for kind in DECODED]
LARGE: list[tuple[str, int, int, dict[str, Any], OutputFormat]] = [
    ("jpeg", 8600, 5800, UPSCALE, "png")
]


def noise(path: Path, kind: str, width: int, height: int) -> None:
    """Write noise to ``path`` in one of the formats of DECODED, as a JPEG, or as a PNG."""
    suffix, options = ".jpg" if kind == "jpeg" else ".png", list[int]()
    if kind in DECODED:
        suffix, channels, options = DECODED[kind]
    else:
        channels = CHANNELS[kind.removesuffix("16")]
    depth: type[np.uint8 | np.uint16] = np.uint16 if kind.endswith("16") else np.uint8
    most = 1023 if kind == "avif16" else np.iinfo(depth).max
    pixels = np.random.default_rng(0).integers(0, most + 1, (height, width, channels), depth)
    if channels == 2:
        picture = Picture(pixels[:, :, 0], pixels[:, :, 1])
        made = write(picture, Encoding("png"), DEFAULT, path.with_suffix(".png"))
        Path(made.path).rename(path)
        return
    ok, data = cv2.imencode(suffix, pixels, options)
    if not ok:
        raise RuntimeError(f"{kind} cannot be written")
    path.write_bytes(bytes(data))


def peak(pid: int) -> int:
    """Return the most bytes the process ever had in memory (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


async def measure(
    kind: str, width: int, height: int, operation: dict[str, Any], output: OutputFormat
) -> tuple[int, int, int]:
    """Return (predicted, measured, raw output) in bytes."""
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "original"
        noise(source, kind, width, height)
        with source.open("rb") as file:
            header = inspect(file, decoded_formats())
        need, _ = predicted(header, [load(operation)], output, Catalogue.read(None), 0)
        results = load(operation).parts
        request = Request(
            str(source), name, [operation], output, memory_bytes=need, result_count=results
        )
        answer = await children.run(request, lambda *_: None)
        if "results" not in answer:
            raise RuntimeError(str(answer))
        measured = peak(children.pids[0])
    await children.stop()
    return need, measured, sum(r["width"] * r["height"] * 3 for r in answer["results"])


async def main() -> None:
    print("| input | megapixels | operation | output | raw output | predicted | measured |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES + (LARGE if "--large" in sys.argv else []):
        kind, width, height, operation, output = case
        figures = [f"{value / 1e6:.0f}" for value in await measure(*case)]
        need, measured, raw = figures
        cells = [kind, f"{width * height / 1e6:.1f}", operation["op"], output, raw, need, measured]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
