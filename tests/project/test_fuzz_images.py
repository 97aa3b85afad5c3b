"""Fuzz tests: malformed images are inspected, decoded and sent over HTTP.

`make fuzz EXAMPLES=100000` sends other ones, as many as asked for; `make test` the same ones in
each run.
"""

from __future__ import annotations

import asyncio
import io
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
from models.error_members import BY_CODE
from models.errors import AppError
from models.images.inspect import ImageHeader, InputFormat, check_pixels, inspect
from models.networks.catalogue import Catalogue
from models.operations import load
from models.settings import Settings
from tests.conftest import Client
from tests.support import images, malformed_images
from tests.support.fuzzing import EXAMPLES
from workers.child.pool import ChildPool
from workers.child.request import Request

MAX_PIXELS = 4_000_000
MAX_CHILD_BYTES = 700_000_000
"""Peak memory of a child: its start and a picture of 4 megapixels; a bomb takes gigabytes."""

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


def inspect_or_refuse(data: bytes) -> ImageHeader | None:
    """Return the header that the service reads, or None if it refuses with a stable code."""
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
@limits(max_examples=EXAMPLES, deadline=5000)
def test_the_service_accepts_or_refuses_every_file(data: bytes) -> None:
    inspect_or_refuse(data)


class ChildHarness:
    """A pool of one real child, restarted only if it dies; ``ends`` counts outcomes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = asyncio.Runner()
        self.children = ChildPool(
            Settings().replace(
                worker_processes=1, max_pixels=MAX_PIXELS, task_timeout=120, child_max_tasks=0
            )
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
        answer = await self.children.run(request, lambda *_: None)
        assert "defect" not in answer, answer["defect"]
        return "done" if "results" in answer else str(answer["error"]["code"])

    def peak_bytes(self) -> int:
        (pid,) = self.children.pids
        status = Path(f"/proc/{pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])


_NO_NETWORKS = Catalogue.read(None)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildHarness]:
    made = ChildHarness(tmp_path_factory.mktemp("fuzz"))
    made.runner.run(made.children.start())
    yield made
    made.runner.run(made.children.stop())
    made.runner.close()


@given(files(), st.integers(0, len(OPERATIONS) - 1))
@limits(
    max_examples=EXAMPLES // 2,
    suppress_health_check=[HealthCheck.too_slow],
)
def _decoded(harness: ChildHarness, data: bytes, number: int) -> None:
    header = inspect_or_refuse(data)
    if header is not None:
        end = harness.run(data, header, number)
        assert end in {"done", "bad_image", "too_many_pixels"}, end
        harness.ends[end] += 1


@pytest.mark.integration
@pytest.mark.fuzz
def test_a_child_decodes_accepted_files_or_reports_an_error(harness: ChildHarness) -> None:
    """One process decodes all without a crash or a timeout, within its memory limit."""
    (before,) = harness.children.pids
    _decoded(harness)
    assert harness.children.pids == [before]
    assert harness.ends["done"] and harness.ends["bad_image"], harness.ends
    assert sum(harness.ends.values()) > EXAMPLES // 10
    assert harness.peak_bytes() < MAX_CHILD_BYTES, harness.ends


HTTP_EXAMPLES = max(20, EXAMPLES // 10)
CONCURRENT_CLIENTS = 6
ERROR_CODES = {"bad_image", "too_many_pixels", "unsupported_format", "too_much_memory"}


@pytest.mark.fuzz
async def test_broken_uploads_do_not_disturb_other_clients(client: Client, worker: Any) -> None:
    """No response is 5xx, every task ends, and another client's pictures are processed."""
    numbers = iter(range(HTTP_EXAMPLES))
    ends: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        attackers = [
            group.create_task(_attack(client, numbers, ends)) for _ in range(CONCURRENT_CLIENTS)
        ]
        served = 0
        while not served or not all(task.done() for task in attackers):
            await _send_valid_image(client, served)
            served += 1
    assert set(ends) <= {"SUCCESS"} | ERROR_CODES, ends
    assert ends["SUCCESS"] and ends["bad_image"]
    assert sum(ends.values()) == HTTP_EXAMPLES


async def _send_valid_image(client: Client, number: int) -> None:
    """Upload a valid picture and fetch its result."""
    form = images.form(images.png(30, 20, seed=number), "good.png")
    answer = await client.post("/thumbnail?wait=60", data=form)
    task = await answer.json()
    assert (answer.status, task["status"]) == (200, "SUCCESS"), task
    result = await client.get(task["url"])
    assert result.status == 200
    assert images.decoded(await result.read()).size == (30, 20)


async def _attack(client: Client, numbers: Iterator[int], ends: Counter[str]) -> None:
    for number in numbers:
        data = malformed_images.make(random.Random(number).randrange)
        operation = ("grayscale", "thumbnail", "convert", "blur")[number % 4]
        form = aiohttp.FormData()
        form.add_field("image", io.BytesIO(data), filename=f"{number}.png")
        if operation == "convert":
            form.add_field("format", "jpeg")
        answer = await client.post(f"/{operation}?wait=60", data=form)
        task = await answer.json()
        assert answer.status < 500, (number, task)
        if answer.status < 400:
            assert task["status"] in {"SUCCESS", "FAILURE"}, (number, task)
            error = task["error"]
            ends[error["code"] if error else "SUCCESS"] += 1
        else:
            ends[task["code"]] += 1
