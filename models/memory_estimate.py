"""Estimate of a task's peak memory before it runs, and the memory that workers may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from models.animation import count_frames
from models.errors import BadParameter, TooMuchMemory
from models.images.inspect import ImageHeader, InputFormat, OutputFormat
from models.networks.catalogue import Catalogue
from models.operations import Operation, watermark_picture
from models.operations.steps import final_encoding, sizes_after
from models.result_bytes import most_bytes
from models.settings.worker import WorkerSettings

_MB = 1_000_000
BASE_BYTES = 200 * _MB
"""Bytes of a child process with its libraries, both engines and a compiled network."""

# Bytes a pixel, measured by `python -m bench.memory` and rounded up. They assume the worst: every
# JPEG is CMYK, every PNG is rotated and has a gamma, every WebP is lossless noise with alpha, so
# that its file is as large as its pixels. No decoder but JPEG's can decode less than all.
_DECODE_OTHER: dict[tuple[InputFormat, int], int] = {  # by format and bits a sample
    ("jpeg", 8): 16,
    ("gif", 8): 24,
    ("webp", 8): 30,
    ("avif", 8): 24,
    ("avif", 16): 44,
    ("tiff", 16): 30,
    ("heic", 8): 20,
    ("heic", 16): 32,
}
_DECODE = {  # of PNG, TIFF and BMP, by bits a sample and channels
    (8, 1): 6,
    (8, 2): 14,
    (8, 3): 15,
    (8, 4): 20,
    (16, 1): 10,
    (16, 2): 21,
    (16, 3): 19,
    (16, 4): 25,
}
_WEIGHTED = {8: 12, 16: 20}  # colours weighted by alpha are filtered in 16 bits, or as floats
_WATERMARK = watermark_picture.MAX_PIXELS * (_DECODE[16, 4] + 8)  # while decoded, and kept
_SPREAD = 30  # of an upscale's input, beside it, where it has alpha
# Beside the picture itself. A progressive JPEG holds the coefficients of all of it.
_ENCODE: dict[OutputFormat, int] = {"png": 0, "jpeg": 11, "webp": 56, "avif": 60, "gif": 0}
_PROGRESSIVE = 8
# Of an animation: the canvases of its decoder; the last frame, this one and the next in an encoder,
# their colours and copies.
_COMPOSED, _ANIMATED = 16, 72

_TILE = 60  # bytes a pixel of a tile, measured of darkroom-fast and FSRCNN in OpenCV

_RESERVE = (5, 512 * _MB)  # a fifth, or this if more, is left to the stores, service and system
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def predict(header: ImageHeader, operations: Sequence[Operation], output: OutputFormat) -> int:
    """Return the peak bytes of a child process; never less than measured.

    The maximum of decoding, each operation with its input and output, and encoding.
    """
    size, kind = (header.width, header.height), header.kind
    found = [size]
    depth, channels = header.samples
    before, alpha = header.width * header.height, channels in {2, 4}
    peak = before * (_DECODE_OTHER.get((kind, depth)) or _DECODE[depth, channels])
    for operation, after_it in zip(operations, sizes_after(operations, size), strict=True):
        second = max(operation.second_pixels(*each) for each in found)
        found = after_it
        after = sum(width * height for width, height in found)
        held = before * channels * depth // 8
        if operation.runs_network:
            held += _reduced(before, channels, depth) + (before * _SPREAD if alpha else 0)
            depth = 8
        channels = operation.output_channels(channels)
        alpha = channels in {2, 4}
        each = channels * depth // 8
        work = max(before, after) * (_WEIGHTED[depth] if alpha else each)
        if second:  # decoded, then in the size in which it is shown, and repeated with gaps
            held += _WATERMARK + second * (_WEIGHTED[depth] + 2 * each)
        peak = max(peak, held + after * each + (work if operation.mixes_neighbours else 0))
        before = after
    largest = max(width * height for width, height in found)
    encode = largest * _ENCODE[output]
    if final_encoding(operations, output).progressive:
        encode += largest * _PROGRESSIVE
    if output not in {"png", "gif"}:  # which are written band by band, or frame by frame
        encode += _reduced(largest, channels, depth)
    frames = count_frames(header, operations, output)
    if frames > 1:  # decoder, operations and encoder are in memory together
        pixels = header.width * header.height
        file = most_bytes(header, operations, output, found * frames) if output == "webp" else 0
        return BASE_BYTES + peak + pixels * _COMPOSED + largest * _ANIMATED + encode + file
    return BASE_BYTES + max(peak, before * channels * depth // 8 + encode)


def _reduced(pixels: int, channels: int, depth: int) -> int:
    """Return the bytes of a copy in 8 bits a sample, if samples have more."""
    return pixels * channels if depth > 8 else 0


def estimate(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat,
    catalogue: Catalogue,
    tile: int,
) -> tuple[int, int]:
    """Return the peak bytes of a child process, and those of its operation with the most networks.

    ``tile``: side of the tiles in pixels, 0 for the best of the engine. A smaller image needs the
    bytes of the network too. A missing network counts nothing: the worker reports it.
    """
    largest = 0
    for operation in operations:
        with contextlib.suppress(BadParameter):
            if weights := operation.weights(catalogue):
                side = min(tile, header.width * header.height)
                together = sum(each.megabytes for each in weights) * _MB
                largest = max(largest, together, side * side * _TILE)
    return predict(header, operations, output) + largest, largest


def worker_budget(settings: WorkerSettings) -> int:
    """Return the bytes that one worker's tasks may take together: its share of MEMORY_BUDGET."""
    return (settings.memory_budget or available_bytes()) // settings.workers


def available_bytes() -> int:
    """Return the bytes that tasks may take of this machine's or container's memory."""
    total = total_bytes()
    share, least = _RESERVE
    return max(total - max(total // share, least), total // 2)


def total_bytes() -> int:
    """Return the bytes of memory of this machine or container."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CGROUPS:
        try:
            total = min(total, int(Path(path).read_text()))
        except (OSError, ValueError):  # no such cgroup, or "max": no limit
            continue
    return total


def check_fits(need: int, settings: WorkerSettings, fixed: int = 0) -> None:
    """Refuse a task that does not fit alone; ``fixed`` of its bytes do not depend on the image.

    Raises:
        TooMuchMemory: names the budget, the prediction and what would pass.
    """
    limit, fixed = worker_budget(settings), BASE_BYTES + fixed
    if need <= limit:
        return
    share = max(0.0, (limit - fixed) / (need - fixed))
    passes = f"a picture of {share:.0%} of the pixels passes" if share else "a lighter network may"
    raise TooMuchMemory(
        f"this would take about {need // _MB} MB of memory; a worker has {limit // _MB} MB for its "
        f"tasks (MEMORY_BUDGET divided by WORKERS): {passes}",
        setting="MEMORY_BUDGET",
        limit=limit,
        measured=need,
    )
