"""What a child keeps: too much of it has the child replaced. What it logs is passed on."""

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
from tests.support.paths import ROOT
from tests.support.tensorflow_graphs import edsr
from tests.workers.child.test_pool import ignore, request
from tests.workers.queue.test_jobs import slow_picture
from workers.child.pool import ChildPool
from workers.child.process import ChildProcess
from workers.sandbox import proc_status


async def settled(children: ChildPool, count: int) -> None:
    """Wait until so many children live and nobody is being replaced."""
    deadline = time.monotonic() + 60
    while children._replacements or len(children.pids) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_child_that_holds_too_much_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = ChildPool(Settings(worker_processes=1))
    await children.start()
    (first,) = children.pids
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert children.pids == [first]
    monkeypatch.setattr("workers.child.pool._MAX_RESIDENT_BYTES", 1_000_000)
    answer = await children.run(request(tmp_path), ignore)
    assert answer["results"] and "resident_bytes" not in answer
    await settled(children, 1)
    assert children.pids != [first] and not psutil.pid_exists(first)
    await children.stop()


async def test_a_child_is_replaced_after_its_tasks_by_one_that_waits_already(
    tmp_path: Path,
) -> None:
    causes: list[str] = []
    children = ChildPool(Settings(worker_processes=1, child_max_tasks=2), causes.append)
    await children.start()
    seen: list[int] = []
    real = ChildProcess.run

    async def noting(self: ChildProcess, *given: Any) -> Any:
        seen.append(self.pid)
        if self.tasks + 1 == 2:  # its last: the next one starts beside it
            await settled(children, 2)
        return await real(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildProcess, "run", noting)
        for _ in range(5):
            assert (await children.run(request(tmp_path), ignore))["results"]
    first, second, third = dict.fromkeys(seen)
    assert seen == [first, first, second, second, third]
    assert causes == ["recycled", "recycled"]
    assert not psutil.pid_exists(first)
    await children.stop()


async def test_never_is_never(tmp_path: Path) -> None:
    children = ChildPool(Settings(worker_processes=1, child_max_tasks=0))
    await children.start()
    before = children.pids
    for _ in range(5):
        await children.run(request(tmp_path), ignore)
    assert children.pids == before
    await children.stop()


async def test_a_successor_is_not_left_behind(tmp_path: Path) -> None:
    """Stopped while the last task of a child is done, and the next child starts."""
    children = ChildPool(Settings(worker_processes=1, child_max_tasks=1))
    await children.start()
    begun = asyncio.Event()
    work = asyncio.ensure_future(
        children.run(request(tmp_path, slow_picture()), lambda share: begun.set())
    )
    await begun.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await children.stop()
    assert children.pids == []
    ours = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    assert not [p for p in ours if "workers.child" in " ".join(p.cmdline())]


async def test_a_cancelled_child_is_dying_when_its_memory_is_given_back(tmp_path: Path) -> None:
    children = ChildPool(Settings(worker_processes=1))
    await children.start()
    process = psutil.Process(children.pids[0])
    begun = asyncio.Event()
    work = asyncio.ensure_future(
        children.run(request(tmp_path, slow_picture()), lambda share: begun.set())
    )
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    # Nothing was awaited since: the signal was sent before the task's end was told.
    assert process.wait(5) is None or not process.is_running()
    await children.stop()


def test_the_limit_is_beside_what_is_there_and_within_a_hard_one() -> None:
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
    assert proc_status.resident_bytes() > 10_000_000
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


async def test_what_a_child_logs_is_logged_by_its_worker(tmp_path: Path) -> None:
    data = edsr(2, quantized=True)
    own(tmp_path, algorithm="edsr", sha256=hashlib.sha256(data).hexdigest(), radius=5)
    (tmp_path / "mynet_x2.pb").write_bytes(data)
    children = ChildPool(Settings(worker_processes=1, weights_dir=tmp_path))
    await children.start()
    asked = [{"op": "upscale", "scale": 2, "model": "mynet"}]
    with structlog.testing.capture_logs() as said:
        answer = await children.run(replace(request(tmp_path), operations=asked), ignore)
    await children.stop()
    assert answer["results"]
    (found,) = [each for each in said if each["event"] == "network_unusable"]
    assert found["log_level"] == "warning"
    assert "openvino" in found["child_engine"]
    assert "Dequantize" in found["child_reason"]
