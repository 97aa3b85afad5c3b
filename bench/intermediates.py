"""``python -m bench.intermediates``: cost of computing an operation again or keeping its result.

Prints a Markdown table for one 640x480 picture: milliseconds (median of five, one thread) to
compute each operation, to keep its result (encode without loss, store), to load it again (fetch,
decode), and the ratio of computing to loading.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2

from bench.darkroom import run_mongod
from bench.throughput import make_image
from models.images.encoder_settings import DEFAULT
from models.networks.catalogue import Catalogue
from models.operations import Encoding
from models.operations.steps import read_pipeline
from models.settings import Settings
from models.store import Store
from workers.imaging import codec
from workers.imaging.writer import write
from workers.operations import Tools, run
from workers.upscaler.select import choose_engine

OPERATIONS = (
    "upscale=2",
    "resize=2",
    "resize=0.5",
    "blur=25",
    "blur=101",
    "grayscale",
    "rotate=90",
)
RUNS = 5


async def median(work: Callable[[], Awaitable[object]]) -> float:
    """Return the median of ``RUNS`` runs in milliseconds, after one that does not count."""
    await work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def row(text: str, source: Path, store: Store, folder: Path) -> str:
    """Return the table's line for one operation."""
    (spec,) = read_pipeline([text], 1)
    limit = 10**9
    whole = codec.decode(source, limit)
    catalogue = Catalogue.read(None)
    engine, _ = choose_engine("auto", "f32", catalogue)
    tools = Tools(catalogue, Settings().networks.tile_pixels, lambda share: None, engine=engine)
    path = folder / "kept.png"

    async def compute() -> None:
        run(whole, spec, tools)

    async def keep() -> None:
        write(changed, Encoding("png"), DEFAULT, path)
        with path.open("rb") as file:
            kept.append(await store.intermediates.put(file, "kept", {}))

    async def take() -> None:
        await store.intermediates.download(kept[-1], path)
        codec.decode(path, limit)

    (changed,) = run(whole, spec, tools)
    kept = [await store.intermediates.put(source.open("rb"), "kept", {})]
    computing, keeping, taking = [await median(w) for w in (compute, keep, take)]
    return (
        f"| `{text}` | {changed.width}x{changed.height} | {computing:.1f} | {keeping:.1f} "
        f"| {taking:.1f} | {computing / taking:.2f} |"
    )


async def measure(url: str, folder: Path) -> None:
    store = await Store.open(Settings().replace(mongo_url=url, redis_url="redis://unused"))
    source = folder / "source.png"
    source.write_bytes(make_image(0, 640, 480))
    print("| operation | result | compute | keep | reuse | compute / reuse |")
    print("|---|---|---|---|---|---|")
    for text in OPERATIONS:
        print(await row(text, source, store, folder))
    store.close()


def main() -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name, run_mongod() as url:
        asyncio.run(measure(url, Path(name)))


if __name__ == "__main__":
    main()
