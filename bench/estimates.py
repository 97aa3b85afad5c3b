"""``python -m bench.estimates``: how well ``eta_seconds`` of a task is said, against what it takes.

Sends a mix of upscales and other work to its own Darkroom: first each kind once, when nothing has
been learned, and then in other sizes, alone, two at a time, and all at once. A row of the printed
Markdown table has the ratio of the estimate to the truth: of the first answer, and of the event
stream when a tenth of the time is over. Median, and the range of the middle half. The last column
is the longest time without an event of a task in work, in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from PIL import Image

from bench.darkroom import run_darkroom
from bench.throughput import make_image

Kind = tuple[str, dict[str, str], tuple[int, int], str]
"""(route, fields, (width, height), format of the picture)."""

MIX: Sequence[Kind] = (
    ("/upscale", {"quality": "fast"}, (1280, 960), "jpeg"),
    ("/upscale", {"quality": "fast", "scale": "3", "format": "webp"}, (900, 600), "png"),
    ("/upscale", {}, (1024, 768), "jpeg"),
    ("/upscale", {"scale": "4", "format": "jpeg"}, (640, 480), "png"),
    ("/upscale", {"quality": "best"}, (480, 320), "jpeg"),
    ("/upscale", {"quality": "photo"}, (480, 360), "jpeg"),
    ("/upscale", {"quality": "auto"}, (640, 480), "jpeg"),
    ("/restore", {}, (640, 480), "jpeg"),
    ("/thumbnail", {"width": "300", "format": "webp"}, (4000, 3000), "jpeg"),
    ("/resize", {"scale": "0.5"}, (3000, 2000), "png"),
    ("/convert", {"format": "webp", "quality": "lossless"}, (2000, 1500), "png"),
    ("/blur", {"sigma": "5"}, (4000, 3000), "jpeg"),
    ("/process", {"operations": '["grayscale", {"op": "upscale", "scale": 2}]'}, (800, 600), "png"),
)


@dataclass
class Seen:
    """What was said of a task: (time, eta_seconds, status), the first by the answer."""

    said: list[tuple[float, float | None, str]] = field(default_factory=list)

    @property
    def truth(self) -> float:
        return self.said[-1][0] - self.said[0][0]

    def ratio(self, share: float) -> float | None:
        """Return estimate to truth when ``share`` of the time is over; None if none was said."""
        at = self.said[0][0] + share * self.truth
        when, eta, _ = [each for each in self.said if each[0] <= at][-1]
        return None if eta is None else max(eta - (at - when), 0.0) / ((1 - share) * self.truth)

    @property
    def silence(self) -> float:
        """The longest time between two events of the task in work."""
        times = [when for when, _, status in self.said if status == "STARTED"]
        return max((b - a for a, b in itertools.pairwise(times)), default=0.0)


def picture(seed: int, size: tuple[int, int], kind: str) -> bytes:
    data = make_image(seed, *size)
    if kind == "png":
        return data
    with Image.open(io.BytesIO(data)) as pixels, io.BytesIO() as file:
        pixels.save(file, "jpeg", quality=90)
        return file.getvalue()


async def run_task(session: aiohttp.ClientSession, url: str, kind: Kind, data: bytes) -> Seen:
    """Send one picture and follow its events to the end."""
    path, fields, _, encoded = kind
    form = aiohttp.FormData(fields)
    form.add_field("image", data, filename=f"picture.{encoded}")
    async with session.post(f"{url}{path}", data=form) as response:
        body: dict[str, Any] = await response.json()
        response.raise_for_status()
    seen = Seen([(time.perf_counter(), body["eta_seconds"], body["status"])])
    async with session.get(f"{url}/tasks/{body['task_id']}/events") as response:
        async for line in response.content:
            if line.startswith(b"data: {") and b'"status"' in line:
                body = json.loads(line[6:])
                seen.said.append((time.perf_counter(), body["eta_seconds"], body["status"]))
    if body["status"] != "SUCCESS":
        raise RuntimeError(body["error"])
    return seen


async def run_round(url: str, kinds: Sequence[Kind], together: int, first: int) -> list[Seen]:
    """Run all ``kinds``, ``together`` at a time."""
    slots, timeout = asyncio.Semaphore(together), aiohttp.ClientTimeout(None)
    pictures = [picture(first + n, kind[2], kind[3]) for n, kind in enumerate(kinds)]
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 20) as session:

        async def one(kind: Kind, data: bytes) -> Seen:
            async with slots:
                return await run_task(session, url, kind, data)

        return await asyncio.gather(*map(one, kinds, pictures))


def scaled(kinds: Sequence[Kind], factor: float) -> list[Kind]:
    """Return ``kinds`` with other sizes."""
    return [
        (path, fields, (int(width * factor), int(height * factor)), encoded)
        for path, fields, (width, height), encoded in kinds
    ]


def row(name: str, found: Sequence[Seen]) -> str:
    """Return a row of the table."""
    cells = [name, str(len(found)), f"{sum(seen.truth for seen in found) / len(found):.1f}"]
    for share in (0.0, 0.1):
        ratios = [ratio for seen in found if (ratio := seen.ratio(share)) is not None]
        low, middle, high = statistics.quantiles(ratios, n=4)
        unknown = f", {len(found) - len(ratios)} unknown" if len(ratios) < len(found) else ""
        cells.append(f"**{middle:.2f}** ({low:.2f} to {high:.2f}{unknown})")
    cells.append(f"{max(seen.silence for seen in found):.1f}")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="print each task, too")
    each = parser.parse_args().each
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before\n")
    print("| the mix | tasks | seconds, mean | at the start | at a tenth | longest silence |")
    print("|---|---|---|---|---|---|")
    with run_darkroom() as url:
        everything: list[Seen] = []
        for name, factor, together in (
            ("nothing learned, one at a time", 0.7, 1),
            ("one at a time", 1.0, 1),
            ("two at a time", 0.9, 2),
            ("all at once", 0.8, len(MIX)),
        ):
            kinds = scaled(MIX, factor)
            found = asyncio.run(run_round(url, kinds, together, int(1000 * factor)))
            print(row(name, found), flush=True)
            if factor != 0.7:
                everything += found
            if each:
                for kind, seen in zip(kinds, found, strict=True):
                    ratios = [seen.ratio(share) for share in (0.0, 0.1)]
                    print(f"  {kind} took {seen.truth:.2f} s, {ratios}, {seen.silence:.1f}")
        print(row("all but the first", everything))


if __name__ == "__main__":
    main()
