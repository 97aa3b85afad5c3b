"""``python -m bench.encoders [PICTURE ...]``: time and size of what encoders can be set to.

Prints Markdown tables: for each setting the milliseconds of CPU (median of three, one thread) and
the bytes, summed over all pictures; and the PSNR against the original where something is lost.
Without pictures: ../shared/images, each also upscaled x2, and a synthetic scene of 3 megapixels.
At the end, PNGs of flat pictures as they came and as ``convert`` writes them.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.throughput import SHARED
from models.images.encoder_settings import DEFAULT
from models.networks.catalogue import Catalogue
from models.operations import Encoding
from tests.support import flat_pictures as flat
from tests.support.images import psnr, scene
from workers.imaging import png_layout, png_writer
from workers.imaging.codec import decode
from workers.imaging.picture import Picture, Pixels
from workers.imaging.writer import write
from workers.upscaler.opencv import REFERENCE

Encode = Callable[[Pixels], bytes]
_STRATEGIES = {
    "default": cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
    "filtered": cv2.IMWRITE_PNG_STRATEGY_FILTERED,
    "RLE": cv2.IMWRITE_PNG_STRATEGY_RLE,
    "Huffman": cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
}


def by_opencv(*flags: int) -> Encode:
    return lambda pixels: bytes(cv2.imencode(".png", pixels, list(flags))[1])


def by_darkroom(level: int) -> Encode:
    def encode(pixels: Pixels) -> bytes:
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            png_writer.write(Path(file.name), png_layout.full(Picture(pixels)), level)
            return file.read()

    return encode


def by_pillow(kind: str, **options: object) -> Encode:
    def encode(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


def settings() -> dict[str, dict[str, Encode]]:
    level, strategy = cv2.IMWRITE_PNG_COMPRESSION, cv2.IMWRITE_PNG_STRATEGY
    filters, up = cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP
    png = {f"PNG_LEVEL={level}": by_darkroom(level) for level in (0, 1, 2, 9)}
    png["OpenCV, nothing said"] = by_opencv()
    for n in (0, 1, 2, 3, 4, 6):
        png[f"OpenCV level {n}"] = by_opencv(level, n)
    for name, value in _STRATEGIES.items():
        png[f"OpenCV level 1, {name}"] = by_opencv(level, 1, strategy, value)
    for n in (2, 4, 6):
        png[f"OpenCV level {n}, RLE"] = by_opencv(level, n, strategy, cv2.IMWRITE_PNG_STRATEGY_RLE)
    for name, value in (
        ("sub", cv2.IMWRITE_PNG_FILTER_SUB),
        ("up", up),
        ("Paeth", cv2.IMWRITE_PNG_FILTER_PAETH),
        ("all", cv2.IMWRITE_PNG_ALL_FILTERS),
    ):
        runs = (strategy, cv2.IMWRITE_PNG_STRATEGY_RLE, filters, value)
        png[f"OpenCV RLE, filter {name}"] = by_opencv(level, 1, *runs)
        png[f"OpenCV level 1, filter {name}"] = by_opencv(level, 1, filters, value)
    for n in (1, 3, 6):
        png[f"Pillow level {n}"] = by_pillow("PNG", compress_level=n)
    jpeg: dict[str, Encode] = {}
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        for quality in (80, 85, 90, 92, 95, 98):
            jpeg[f"{quality}, {sampling}"] = by_pillow(
                "JPEG", quality=quality, subsampling=sampling
            )
    jpeg["92, 4:4:4, optimized"] = by_pillow("JPEG", quality=92, subsampling="4:4:4", optimize=True)
    webp: dict[str, Encode] = {
        f"{quality}, method {method}": by_pillow("WEBP", quality=quality, method=method)
        for quality, method in ((80, 4), (85, 2), (85, 4), (85, 6), (90, 4), (95, 4))
    }
    for effort in (0, 50, 75):
        webp[f"lossless, effort {effort}"] = by_pillow(
            "WEBP", lossless=True, exact=True, quality=effort, method=4
        )
    return {"PNG": png, "JPEG": jpeg, "WebP": webp}


def pictures(paths: Sequence[str]) -> list[Pixels]:
    folder = SHARED.parent / "images"
    found = [Path(p) for p in paths] or (sorted(folder.iterdir()) if folder.is_dir() else [])
    read = [np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8) for path in found]
    catalogue = Catalogue.read(None)
    weights = catalogue.find("darkroom-fast", 2)
    path = catalogue.path(weights)
    read += [REFERENCE.enlarge(path, weights, pixels) for pixels in read]
    return [*read, np.ascontiguousarray(scene(2000, 1500)[:, :, ::-1])]


def flat_pictures() -> dict[str, Image.Image]:
    shot = flat.screenshot(1920, 1080)
    return {
        "page of text, 1 bit": flat.page(2480, 3508),
        "drawing, 16 colours": flat.drawing(16, 1920, 1080),
        "screenshot, 256 colours": shot.quantize(256),
        "screenshot, RGB": shot,
        "gradient, RGB": flat.gradient(1920, 1080),
    }


def convert(data: bytes, folder: Path) -> tuple[float, bytes]:
    """Return the milliseconds that the PNG ``data`` takes to be written again, and the result."""
    source = folder / "source.png"
    source.write_bytes(data)
    picture = decode(source, 10**9)
    began = time.thread_time()
    made = write(picture, Encoding("png"), DEFAULT, folder / "result.png")
    return (time.thread_time() - began) * 1000, Path(made.path).read_bytes()


def measure(encode: Encode, pixels: Pixels) -> tuple[float, bytes]:
    times = []
    for _ in range(3):
        began = time.thread_time()
        data = encode(pixels)
        times.append(time.thread_time() - began)
    return statistics.median(times) * 1000, data


def main() -> None:
    cv2.setNumThreads(1)
    shown = pictures(sys.argv[1:])
    area = sum(p.shape[0] * p.shape[1] for p in shown)
    print(f"{len(shown)} pictures, {area / 1e6:.1f} megapixels\n")
    for kind, ways in settings().items():
        print(f"| {kind} | ms | ms a megapixel | MB | dB |\n|---|---|---|---|---|")
        for name, encode in ways.items():
            results = [measure(encode, pixels) for pixels in shown]
            spent = sum(ms for ms, _ in results)
            size = sum(len(data) for _, data in results)
            loss = "" if kind == "PNG" else f"{_loss(shown, [d for _, d in results]):.2f}"
            print(
                f"| {name} | {spent:.0f} | {spent / area * 1e6:.1f} | {size / 1e6:.2f} | {loss} |"
            )
        print()
    print("| flat PNG | bytes, by Pillow optimized | as runs | written again | ms |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, image in flat_pictures().items():
            buffer = io.BytesIO()
            image.save(buffer, "PNG", optimize=True)
            rgb = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
            runs = settings()["PNG"]["OpenCV RLE, filter Paeth"](rgb)
            spent, data = convert(buffer.getvalue(), Path(folder))
            print(
                f"| {name} | {len(buffer.getvalue())} | {len(runs)} | {len(data)} | {spent:.0f} |"
            )


def _loss(shown: Sequence[Pixels], encoded: Sequence[bytes]) -> float:
    """Return the mean PSNR in dB over the pictures that are no noise: all but the last."""
    pairs = list(zip(shown, encoded, strict=True))[:-1] or list(zip(shown, encoded, strict=True))
    found = [
        psnr(p, np.asarray(cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_COLOR)))
        for p, d in pairs
    ]
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
