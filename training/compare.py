"""``python -m training.compare PICTURES...``: all networks on held-out pictures, and their price.

By the literature's protocol: inputs are made by Matlab's bicubic from the picture in colour, clean
and after JPEG; PSNR and SSIM are those of Y in studio swing (16 to 235), with ``scale`` pixels
cropped; beside them the PSNR of RGB. Networks run as the service runs them, in OpenVINO. Processor
seconds are of one thread, for one photograph of 640x480 to x2 and 320x240 to x4. Prints a Markdown
table for each scale and folder; ``--into`` also writes them between the marks of a page.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.errors import AppError
from models.networks.catalogue import Catalogue
from training import chart
from training.before_after import small
from training.candidates import BICUBIC, Enlarge, enlarger, names, read_catalogue
from training.dataset import pictures_below, split
from training.metrics import crop, luma, psnr, ssim
from training.speed import SIZES, processor_seconds
from workers.imaging.picture import Pixels

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
QUALITIES = (None, 85, 60)
"""Of the JPEG that an input was; None: clean."""
_HELD_OUT = "div2k"
Figures = tuple[float, float, float]
"""PSNR of Y in dB, SSIM of Y, PSNR of RGB in dB: means over the pictures."""


def choose(folder: Path, count: int) -> list[Path]:
    """Return at most ``count`` pictures: of a training folder those held out, else of all.

    Evenly spread over the names.
    """
    paths = split(folder)[1] if (folder / _HELD_OUT).is_dir() else pictures_below(folder)
    if not paths:
        raise SystemExit(f"{folder}: no pictures there (.png, .jpg, .bmp)")
    places = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return [paths[place] for place in places]


def read(path: Path, scale: int) -> Pixels:
    """Return BGR pixels, cropped to whole multiples of ``scale``."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{path} is not a picture that OpenCV reads")
    height, width = (side // scale * scale for side in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width], np.uint8)


def compress(picture: Pixels, quality: int | None) -> Pixels:
    """Return ``picture`` after a trip through JPEG, if ``quality`` names one."""
    if quality is None:
        return picture
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def score(enlarge: Enlarge, highs: list[Pixels], scale: int, quality: int | None) -> Figures:
    """Return the mean figures of ``enlarge`` over ``highs``, the originals."""
    found = []
    for high in highs:
        made = enlarge(compress(small(high, scale), quality))
        planes = [crop(luma(each), scale) for each in (made, high)]
        colours = [crop(each, scale) for each in (made, high)]
        found.append((psnr(*planes), ssim(*planes), psnr(*colours)))
    one, two, three = np.mean(found, axis=0)
    return float(one), float(two), float(three)


def processor() -> str:
    """Return which vector instructions convolutions have, which decide their speed."""
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{os.cpu_count()} cores, {', '.join(known) or 'vector instructions unknown'}"


def rows(
    catalogue: Catalogue, highs: list[Pixels], scale: int
) -> Iterator[tuple[str, list[Figures] | str]]:
    """Yield each candidate's name and its figures at each of QUALITIES, or why it has none."""
    for name in names(catalogue, scale):
        try:
            enlarge = enlarger(catalogue, name, scale)
            yield name, [score(enlarge, highs, scale, quality) for quality in QUALITIES]
        except AppError as error:  # no engine runs it here, or its pictures were refused
            yield name, error.code


def table(
    catalogue: Catalogue, folder: Path, scale: int, count: int, seconds: dict[str, float]
) -> tuple[list[str], dict[str, float]]:
    """Return the lines of a Markdown table, and PSNR on Y of clean input by name."""
    paths = choose(folder, count)
    highs = [read(path, scale) for path in paths]
    size = "x".join(map(str, SIZES.get(scale, ()))) or "not timed"
    many = "picture" if len(paths) == 1 else "pictures"
    heads = [f"x{scale}, {len(paths)} {many} of {paths[0].parent.name}"]
    for quality in QUALITIES:
        said = "" if quality is None else f"JPEG {quality}: "
        heads += [f"{said}PSNR Y", "SSIM Y", "PSNR RGB"]
    lines = [f"| {' | '.join([*heads, f'seconds, {size}'])} |", "|---" * (len(heads) + 1) + "|"]
    clean = {}
    for name, found in rows(catalogue, highs, scale):
        if isinstance(found, str):
            cells = [found] + [""] * (len(heads) - 2)
        else:
            clean[name] = found[0][0]
            cells = [f"{v:.{d}f}" for f in found for v, d in zip(f, (2, 4, 2), strict=True)]
        shown = f"**{name}**" if name.startswith("darkroom-") else name
        spent = f"{seconds[name]:.2f}" if name in seconds else ""
        lines.append(f"| {' | '.join([shown, *cells, spent])} |")
    return lines, clean


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="PICTURES")
    parser.add_argument("--weights", type=Path, help="folder with published networks")
    parser.add_argument("--others", type=Path, help="folder with NAME_xSCALE.onnx, RGB from 0 to 1")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--count", type=int, default=6, help="pictures of each folder")
    parser.add_argument("--untimed", action="store_true", help="leave the seconds out")
    parser.add_argument("--chart", type=Path, help="draw quality against time, of the first folder")
    parser.add_argument("--into", type=Path, help="a page with the marks of the tables")
    given = parser.parse_args()
    catalogue = read_catalogue(given.weights, given.others)
    command = f"python -m training.compare {' '.join(sys.argv[1:])}"
    lines, panels = [f"`{command}`, {processor()}:"], []
    for scale in given.scales:
        seconds = {} if given.untimed else processor_seconds(given.weights, given.others, scale)
        for number, folder in enumerate(given.folders):
            made, clean = table(catalogue, folder, scale, given.count, seconds)
            print("", *made, sep="\n", flush=True)
            lines += ["", *made]
            if number == 0 and seconds:
                points = {n: (seconds[n], level) for n, level in clean.items() if n in seconds}
                size = "x".join(map(str, SIZES[scale]))
                title = f"x{scale} of {size}: PSNR on Y; bicubic {clean[BICUBIC]:.2f} dB"
                panels.append((title, points))
    if given.chart and panels:
        cv2.imwrite(str(given.chart), chart.draw(panels))
    if given.into:
        write_into(given.into, "\n".join(lines))


def write_into(page: Path, block: str) -> None:
    """Put ``block`` between the marks of ``page``."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page}: no {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{block}\n{END}{after}")


if __name__ == "__main__":
    main()
