"""The arq job in a real worker: success, failure, crashes, timeouts and lost leases."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.networks.catalogue import Catalogue
from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import working
from tests.support import images, misbehaving_child
from workers.background import sweep as sweeping
from workers.context import WorkerContext

Send = Callable[..., Awaitable[Any]]


def worker_of(arq: Any) -> WorkerContext:
    worker: WorkerContext = arq.ctx["worker"]
    return worker


async def started_worker(arq: Any) -> WorkerContext:
    while "worker" not in arq.ctx:
        await asyncio.sleep(0.01)
    return worker_of(arq)


async def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until the condition is true; fail after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):
            await asyncio.sleep(0.01)


async def send_to_halted_child(send: Send, arq: Any) -> tuple[str, int]:
    """Upload a picture to a child that SIGSTOP halts: its task runs for ever, at no cost.

    Return the task and the child's pid.
    """
    worker = await started_worker(arq)
    (busy,) = worker.children.pids
    os.kill(busy, signal.SIGSTOP)
    task_id = (await (await send()).json())["task_id"]
    # Cancelled any sooner, the attempt would leave its halted child for the next one.
    await wait_until(lambda: worker.children.states[busy])
    return task_id, busy


def slow_picture(side: int = 1300) -> bytes:
    """An image whose upscaling takes seconds: large, and fast to generate.

    ``side``: in pixels; less on slow machines, so that it takes the same time there.
    """
    from PIL import Image

    side = round(side * min(1.0, max(0.3, gigaflops() / 150)) ** 0.5)
    return images.encoded(Image.radial_gradient("L").resize((side, side)).convert("RGB"))


@lru_cache(maxsize=1)
def gigaflops() -> float:
    """Return how many billion floating-point operations this machine does per second."""
    matrix, best = np.ones((1000, 1000), np.float32), float("inf")
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - began)
    return 2 / best


async def test_corrupt_image_fails_at_once_without_retry(send: Send, worker: Any) -> None:
    whole = images.png(64, 64)
    at = whole.index(b"IDAT") + 4
    length = int.from_bytes(whole[at - 8 : at - 4], "big")
    garbage = bytes(length)
    crc = zlib.crc32(b"IDAT" + garbage).to_bytes(4, "big")
    data = whole[:at] + garbage + crc + whole[at + length + 4 :]
    body = await (await send(data, query="?wait=30")).json()
    assert body["status"] == "FAILURE"
    assert body["error"]["code"] == "bad_image"
    assert body["url"] is None and body["results"] == []
    await wait_until(lambda: worker.jobs_complete == 1)
    assert worker.jobs_retried == 0


async def test_tasks_run_in_parallel(settings: Settings, send: Send) -> None:
    two = settings.replace(worker_processes=2)
    async with working(two) as arq:
        worker = await started_worker(arq)
        pids = worker.children.pids
        for pid in pids:  # until each has a task
            os.kill(pid, signal.SIGSTOP)
        posts = asyncio.gather(
            *(send(images.png(300, 300, seed), f"{seed}.png", "?wait=60") for seed in range(4))
        )
        await wait_until(lambda: all(worker.children.states.values()))
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        bodies = [await response.json() for response in await posts]
        assert {body["status"] for body in bodies} == {"SUCCESS"}
        spans = sorted((body["started_at"], body["finished_at"]) for body in bodies)
        overlaps = [later[0] < earlier[1] for earlier, later in itertools.pairwise(spans)]
        assert any(overlaps)
        assert len(worker.children.pids) == 2


async def test_timeout_kills_the_child_not_the_worker(
    send: Send, client: Any, settings: Settings
) -> None:
    strict = settings.replace(task_timeout=0.5)
    async with working(strict) as arq:
        worker = await started_worker(arq)
        before = worker.children.pids
        os.kill(before[0], signal.SIGSTOP)
        body = await (await send(query="?wait=60")).json()
        assert body["status"] == "FAILURE"
        assert body["error"]["code"] == "task_timeout"
        assert body["error"]["limit"] == 0.5
        await wait_until(lambda: worker.children.pids and worker.children.pids != before)
        worker.children._timeout = 60
        good = await (await send(images.png(seed=3), query="?wait=60")).json()
        assert good["status"] == "SUCCESS"


async def test_child_death_costs_an_attempt_then_the_task_succeeds(
    send: Send, settings: Settings, store: Store
) -> None:
    async with working(settings) as arq:
        worker = await started_worker(arq)
        task_id, halted = await send_to_halted_child(send, arq)
        os.kill(halted, signal.SIGKILL)
        done = await (await send(query="?wait=60")).json()
        assert (done["task_id"], done["status"]) == (task_id, "SUCCESS")
        task = await store.tasks.get(task_id)
        assert task is not None and task.attempts == 2
        assert worker.name == worker_of(arq).name


async def test_image_that_kills_every_child_fails_and_others_succeed(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.misbehaving_child")
    async with working(settings.replace(max_attempts=2)) as arq:
        worker = await started_worker(arq)
        endless = misbehaving_child.picture(lines=[])  # its child does nothing until it is killed
        body = await (await send(endless, "bad.png")).json()
        for attempt in (1, 2):

            async def started(number: int = attempt) -> bool:
                task = await store.tasks.get(body["task_id"])
                is_next = task is not None and task.attempts == number
                return is_next and any(worker.children.states.values())

            await wait_until(started)
            (busy,) = (pid for pid, works in worker.children.states.items() if works)
            os.kill(busy, signal.SIGKILL)
        good = await (await send(images.png(seed=3), "good.png", "?wait=60")).json()
        assert good["status"] == "SUCCESS"
        task = await store.tasks.get(body["task_id"])
        assert task is not None and task.error is not None
        assert (task.error["code"], task.error["attempts"]) == ("worker_crashed", 2)


async def test_progress_is_written(
    send: Send, store: Store, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    children, written = (await started_worker(worker)).children, asyncio.Event()
    run = children.run

    async def run_until_written(*given: Any, **more: Any) -> Any:
        """Keep the results back until the progress that the child reported was seen."""
        message = await run(*given, **more)
        await written.wait()
        return message

    monkeypatch.setattr(children, "run", run_until_written)
    body = await (await send()).json()
    seen: set[int] = set()

    async def ended() -> bool:
        task = await store.tasks.get(body["task_id"])
        assert task is not None
        seen.add(task.progress)
        if seen - {0, 100}:
            written.set()
        return task.ended

    await wait_until(ended, 60)
    assert seen - {0, 100}
    assert max(seen) == 100


async def test_operations_list_the_engines_of_live_workers(client: Any, settings: Settings) -> None:
    assert (await (await client.get("/operations")).json())["engines"] == {}
    async with working(settings.replace(upscale_engine="auto")) as arq:
        engine = (await started_worker(arq)).children.engine

        async def listed() -> bool:
            engines = (await (await client.get("/operations")).json())["engines"]
            return bool(engines == {engine: 1})

        await wait_until(listed)
    assert engine.startswith("openvino")


async def test_lost_lease_publishes_nothing(send: Send, settings: Settings, store: Store) -> None:
    """A worker loses its lease while it computes: its results are not published."""
    async with working(settings.replace(lease_seconds=0.6)) as arq:
        worker = await started_worker(arq)
        task_id, _ = await send_to_halted_child(send, arq)
        await store._database["tasks"].update_one(
            {"_id": task_id},
            {"$set": {"lease.token": "another", "lease.until": datetime(2100, 1, 1, tzinfo=UTC)}},
        )
        await wait_until(lambda: arq.jobs_complete)
        task = await store.tasks.get(task_id)
        assert task is not None and task.status == "STARTED"
        assert await store._database["results.files"].count_documents({}) == 0
        await wait_until(lambda: worker.children.pids)


async def test_a_task_waits_for_a_worker_that_has_its_network(
    settings: Settings, aiohttp_client: Any, shared: Path
) -> None:
    rich = settings.replace(weights_dir=shared / "weights")
    client = await aiohttp_client(create_app(rich))
    assert "FSRCNN" not in {w.name for w in Catalogue.read(None).available()}
    form = images.form(images.png(), "cat.png", model="FSRCNN")
    await _waits_for(client, settings, rich, "/upscale", form)


@pytest.mark.parametrize(
    "promised",
    [{"png_level": 4}, {"upscale_precision": "f32"}, {"max_pixels": 60_000_000}],
    ids=lambda promised: next(iter(promised)),
)
async def test_a_task_waits_for_a_worker_that_gives_what_was_promised(
    promised: dict[str, Any], settings: Settings, aiohttp_client: Any
) -> None:
    other = settings.replace(**promised)
    if "max_pixels" in promised:
        settings = settings.replace(max_pixels=4000)  # fewer than the picture has
    client = await aiohttp_client(create_app(other))
    form = images.form(images.png(80, 60), "cat.png")
    await _waits_for(client, settings, other, "/upscale", form)


async def _waits_for(client: Any, lacking: Settings, able: Settings, path: str, form: Any) -> None:
    async with working(lacking) as arq:
        await started_worker(arq)
        body = await (await client.post(path, data=form)).json()
        await wait_until(lambda: arq.jobs_retried and arq.idle)
        arq._woken.set()  # it reads the queue again, and leaves the job where it is
        await wait_until(lambda: not arq._woken.is_set())
        # Each job once; the sweep of a slow machine may have made a second one.
        assert arq.jobs_retried == len(arq._left)
    task = await (await client.get(f"/tasks/{body['task_id']}")).json()
    assert task["status"] == "CREATED"
    async with working(able):
        done = await (await client.get(f"/tasks/{body['task_id']}?wait=30")).json()
    assert done["status"] == "SUCCESS"


async def test_published_models_end_to_end(
    settings: Settings, aiohttp_client: Any, shared: Path
) -> None:
    rich = settings.replace(weights_dir=shared / "weights")
    client = await aiohttp_client(create_app(rich))
    async with working(rich):
        for model, scale in (("FSRCNN", 3), ("FSRCNN-small", 2), ("ESPCN", 4), ("LapSRN", 8)):
            form = images.form(images.png(), "cat.png", model=model, scale=str(scale))
            body = await (await client.post("/upscale?wait=60", data=form)).json()
            assert body["status"] == "SUCCESS"
            assert body["url"] == f"/processed/cat-upscale-x{scale}.png" or scale == 2
            assert body["results"][0]["width"] == 40 * scale


async def test_redis_jobs_are_json_and_are_cleaned_up(
    send: Send, settings: Settings, store: Store
) -> None:
    body = await (await send()).json()
    redis = connect(settings.stores)
    job = json.loads(await redis.get(f"arq:job:{body['task_id']}:0:short"))
    assert (job["f"], job["a"]) == ("process", [body["task_id"]])
    async with working(settings) as arq:
        await send(query="?wait=30")
        await wait_until(lambda: arq.jobs_complete == 1)
        worker = await started_worker(arq)
        expected = {f"arq:health-check:{worker.name}"}
        async with asyncio.timeout(30):  # arq counts a job before it cleans up
            while {key.decode() async for key in redis.scan_iter()} - {"darkroom:mark"} != expected:
                await asyncio.sleep(0.01)
    await redis.aclose(close_connection_pool=True)


async def test_scratch_folders_of_dead_workers_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.queue import scratch_dir

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = scratch_dir.create()
    assert mine.stat().st_mode & 0o777 == 0o700
    dead = mine.parent / "999999999"
    living = mine.parent / str(os.getppid())
    for folder in (dead, living):
        folder.mkdir()
        (folder / "original").write_bytes(b"x")
    (mine / "left by a worker with the same pid").write_bytes(b"x")
    assert scratch_dir.create() == mine
    assert list(mine.iterdir()) == []
    assert {path.name for path in mine.parent.iterdir()} == {mine.name, living.name}


async def test_machine_trouble_costs_no_attempt(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.queue import jobs

    monkeypatch.setattr(jobs, "_MACHINE_TROUBLE_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(sweeping, "_MIN_WAITING_SECONDS", 0.05)
    async with working(settings) as arq:
        worker = await started_worker(arq)
        good, worker.scratch = worker.scratch, Path("/nowhere")
        body = await (await send()).json()
        await wait_until(lambda: arq.jobs_complete > 1)
        task = await store.tasks.get(body["task_id"])
        assert task is not None and not task.ended and task.attempts <= 1
        worker.scratch = good
        assert (await (await send(query="?wait=30")).json())["status"] == "SUCCESS"
