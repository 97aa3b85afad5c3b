"""Thousands of pictures that nobody means well with: judged, decoded, and sent over HTTP.

``FUZZ_EXAMPLES`` says how many, e.g. 100000 for a night; they are the same in every run.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from models import memory_estimate
from models.error_codes import BY_CODE
from models.errors import AppError
from models.images.inspect import ImageHeader, InputFormat, check_pixels, inspect
from models.networks.catalogue import Catalogue
from models.operations import load
from models.settings import Settings
from tests.conftest import Client
from tests.support import images, malformed_images
from workers.child.pool import ChildPool
from workers.child.request import Request

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2000"))

MAX_PIXELS = 4_000_000
MOST_HELD = 700_000_000
"""Bytes of a child: what it begins with, and a picture of 4 megapixels; a bomb takes gigabytes."""

OPERATIONS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"op": "grayscale"}],
    [{"op": "thumbnail"}],
    [{"op": "blur", "kernel": 3}],
    [{"op": "rotate", "angle": 90}],
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    return malformed_images.make(lambda n: draw(st.integers(0, n - 1)))


def judged(data: bytes) -> ImageHeader | None:
    """Return what the service finds in ``data``; None: it is refused, with a stable code."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            header = inspect(file, get_args(InputFormat))
            check_pixels(header.width, header.height, MAX_PIXELS, what="it", setting="MAX_PIXELS")
        except AppError as error:
            refused = error
        else:
            assert min(header.width, header.height) > 0
            return header
    assert refused.code in BY_CODE
    assert len(str(refused)) < 500
    return None


@given(files())
@limits(max_examples=EXAMPLES, deadline=5000, derandomize=True, database=None)
def test_the_service_judges_every_file_or_refuses_it(data: bytes) -> None:
    judged(data)


class Bench:
    """One real child, started anew only if it dies; what it held at most, and how tasks ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = asyncio.Runner()
        self.children = ChildPool(
            Settings(worker_processes=1, max_pixels=MAX_PIXELS, task_timeout=120, child_max_tasks=0)
        )
        self.ends: Counter[str] = Counter()

    def run(self, data: bytes, header: ImageHeader, number: int) -> str:
        return self.runner.run(self._run(data, header, number))

    async def _run(self, data: bytes, header: ImageHeader, number: int) -> str:
        source = self.folder / "original"
        source.write_bytes(data)
        operations = OPERATIONS[number % len(OPERATIONS)]
        output = header.format
        need, _ = memory_estimate.estimate(
            header, [load(o) for o in operations], output, _NO_NETWORKS, 0
        )
        request = Request(str(source), str(self.folder), operations, output, memory_bytes=need)
        answer = await self.children.run(request, lambda share: None)
        assert "defect" not in answer, answer["defect"]
        return "done" if "results" in answer else str(answer["error"]["code"])

    def most_held(self) -> int:
        (pid,) = self.children.pids
        status = Path(f"/proc/{pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])


_NO_NETWORKS = Catalogue.read(None)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("fuzz"))
    made.runner.run(made.children.start())
    yield made
    made.runner.run(made.children.stop())
    made.runner.close()


@given(files(), st.integers(0, len(OPERATIONS) - 1))
@limits(
    max_examples=EXAMPLES // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def _decoded(bench: Bench, data: bytes, number: int) -> None:
    header = judged(data)
    if header is not None:
        end = bench.run(data, header, number)
        assert end in {"done", "bad_image", "too_many_pixels"}, end
        bench.ends[end] += 1


def test_a_child_decodes_what_is_left_or_says_why_not(bench: Bench) -> None:
    """None dies, none is late: one process decodes them all, and holds little."""
    (before,) = bench.children.pids
    _decoded(bench)
    assert bench.children.pids == [before]
    assert bench.ends["done"] and bench.ends["bad_image"], bench.ends
    assert sum(bench.ends.values()) > EXAMPLES // 10
    assert bench.most_held() < MOST_HELD, bench.ends


SENT = max(20, EXAMPLES // 10)
AT_ONCE = 6
ENDS = {"bad_image", "too_many_pixels", "unsupported_format", "too_much_memory"}


async def test_over_http_while_another_is_served(client: Client, worker: Any) -> None:
    """Nothing is answered with 5xx, every task ends, and another's pictures come through."""
    numbers = iter(range(SENT))
    ends: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        attackers = [group.create_task(_attack(client, numbers, ends)) for _ in range(AT_ONCE)]
        served = 0
        while not served or not all(task.done() for task in attackers):
            await _served(client, served)
            served += 1
    assert set(ends) <= {"SUCCESS"} | ENDS, ends
    assert ends["SUCCESS"] and ends["bad_image"]
    assert sum(ends.values()) == SENT


async def _served(client: Client, number: int) -> None:
    """Send a good picture, and get it."""
    form = images.form(images.png(30, 20, seed=number), "good.png")
    answer = await client.post("/thumbnail?wait=60", data=form)
    said = await answer.json()
    assert (answer.status, said["status"]) == (200, "SUCCESS"), said
    result = await client.get(said["url"])
    assert result.status == 200
    assert images.decoded(await result.read()).size == (30, 20)


async def _attack(client: Client, numbers: Iterator[int], ends: Counter[str]) -> None:
    for number in numbers:
        data = malformed_images.make(random.Random(number).randrange)
        asked = ("grayscale", "thumbnail", "convert", "blur")[number % 4]
        form = aiohttp.FormData()
        form.add_field("image", io.BytesIO(data), filename=f"{number}.png")
        if asked == "convert":
            form.add_field("format", "jpeg")
        answer = await client.post(f"/{asked}?wait=60", data=form)
        said = await answer.json()
        assert answer.status < 500, (number, said)
        if answer.status < 400:
            assert said["status"] in {"SUCCESS", "FAILURE"}, (number, said)
            error = said["error"]
            ends[error["code"] if error else "SUCCESS"] += 1
        else:
            ends[said["code"]] += 1
