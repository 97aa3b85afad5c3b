"""Children are replaced by memory and number of tasks; their log records are passed on."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from models.settings import Settings
from tests.models.networks.test_manifest import own
from tests.support.fork_servers import children_of
from tests.support.paths import ROOT
from tests.support.tensorflow_graphs import edsr
from tests.workers.child.test_pool import ignore, request
from tests.workers.queue.test_jobs import slow_picture
from workers.child.pool import ChildPool
from workers.child.process import ChildProcess
from workers.sandbox.proc_status import memory_bytes

pytestmark = pytest.mark.integration


async def wait_until_settled(children: ChildPool, count: int) -> None:
    """Wait until ``count`` children live and none is being replaced."""
    deadline = time.monotonic() + 60
    while children._replacements or len(children.pids) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_child_with_too_much_resident_memory_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    (first,) = children.pids
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert children.pids == [first]
    monkeypatch.setattr("workers.child.pool._MAX_RESIDENT_BYTES", 1_000_000)
    message = await children.run(request(tmp_path), ignore)
    assert message["results"]
    await wait_until_settled(children, 1)
    assert children.pids != [first] and not psutil.pid_exists(first)
    await children.stop()


async def test_child_is_replaced_after_max_tasks_by_a_started_successor(
    tmp_path: Path,
) -> None:
    causes: list[str] = []
    children = ChildPool(Settings().replace(worker_processes=1, child_max_tasks=2), causes.append)
    await children.start()
    seen: list[int] = []
    original = ChildProcess.run

    async def recording(self: ChildProcess, *arguments: Any) -> Any:
        seen.append(self.pid)
        if self.tasks + 1 == 2:  # its last task: the successor starts meanwhile
            await wait_until_settled(children, 2)
        return await original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildProcess, "run", recording)
        for _ in range(5):
            assert (await children.run(request(tmp_path), ignore))["results"]
    first, second, third = dict.fromkeys(seen)
    assert seen == [first, first, second, second, third]
    assert causes == ["recycled", "recycled"]
    assert not psutil.pid_exists(first)
    await children.stop()


async def test_child_max_tasks_0_never_recycles(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1, child_max_tasks=0))
    await children.start()
    before = children.pids
    for _ in range(5):
        await children.run(request(tmp_path), ignore)
    assert children.pids == before
    await children.stop()


async def test_stop_also_stops_a_starting_successor(tmp_path: Path) -> None:
    """The pool stops while the last task of a child runs and its successor starts."""
    children = ChildPool(Settings().replace(worker_processes=1, child_max_tasks=1))
    await children.start()
    running = asyncio.Event()
    work = asyncio.ensure_future(
        children.run(request(tmp_path, slow_picture()), lambda *_: running.set())
    )
    await running.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await children.stop()
    assert children.pids == []
    left = children_of(psutil.Process())
    assert not [p for p in left if "workers.child" in " ".join(p.cmdline())]


async def test_child_is_killed_before_a_cancelled_task_ends(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    process = psutil.Process(children.pids[0])
    running = asyncio.Event()
    work = asyncio.ensure_future(
        children.run(request(tmp_path, slow_picture()), lambda *_: running.set())
    )
    await running.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    # Nothing was awaited since: the signal was sent before the task ended.
    assert process.wait(60) is None or not process.is_running()
    await children.stop()


def test_memory_limit_adds_to_current_use_and_keeps_the_hard_limit() -> None:
    program = """
import resource
from workers.child import task_limits
resource.setrlimit(resource.RLIMIT_DATA, (3_000_000_000, 3_000_000_000))
task_limits.limit_memory(10_000_000_000)
print(resource.getrlimit(resource.RLIMIT_DATA)[0])
task_limits.limit_memory(100_000_000)
print(resource.getrlimit(resource.RLIMIT_DATA)[0])
task_limits.limit_memory(None)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    hard, soft = map(int, done.stdout.split())
    assert hard == 3_000_000_000
    assert 600_000_000 < soft < hard
    assert memory_bytes("VmRSS") > 10_000_000
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


async def test_worker_logs_the_records_of_its_child(tmp_path: Path) -> None:
    data = edsr(2, quantized=True)
    own(tmp_path, algorithm="edsr", sha256=hashlib.sha256(data).hexdigest(), radius=5)
    (tmp_path / "mynet_x2.pb").write_bytes(data)
    children = ChildPool(
        Settings().replace(worker_processes=1, weights_dir=tmp_path, upscale_engine="auto")
    )
    await children.start()
    operations = [{"op": "upscale", "scale": 2, "model": "mynet"}]
    with structlog.testing.capture_logs() as logs:
        message = await children.run(replace(request(tmp_path), operations=operations), ignore)
    await children.stop()
    assert message["results"]
    (entry,) = [entry for entry in logs if entry["event"] == "network_unusable"]
    assert entry["log_level"] == "warning"
    assert "openvino" in entry["child_engine"]
    assert "Dequantize" in entry["child_reason"]
