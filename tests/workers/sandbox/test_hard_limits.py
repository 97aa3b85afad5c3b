"""A child that a picture took over cannot lift, evade or outlive the limits of its task."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from models import memory_estimate
from models.errors import WorkerCrashed
from models.settings import Settings
from tests.workers.child.test_pool import ignore, request
from tests.workers.sandbox.test_sandbox import has_layer, probe, started
from workers.child import task_limits
from workers.child.pool import ChildPool

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux"),
]
needs_calls = pytest.mark.skipif(not has_layer("calls"), reason="no seccomp here")


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.sandbox_probe")


async def taken_over(children: ChildPool, folder: Path, name: str) -> str:
    """Return what a probe reports in a task that may take 300 MB."""
    task = replace(request(folder), operations=[{"probe": name}], memory_bytes=300_000_000)
    return str((await children.run(task, ignore))["error"]["detail"])


async def until_killed(children: ChildPool, pid: int) -> None:
    while pid in children.pids:
        await asyncio.sleep(0.01)


def only(logs: list[Any], event: str) -> Any:
    (entry,) = [entry for entry in logs if entry["event"] == event]
    return entry


@needs_calls
async def test_no_limit_can_be_raised_and_no_memory_is_uncounted(tmp_path: Path) -> None:
    async with started() as children:
        assert await taken_over(children, tmp_path, "raise limits") == "done: []"
        # GiB of the 10,000 that it tries to map.
        for kind in ("private memory", "shared memory", "stack memory"):
            assert await taken_over(children, tmp_path, kind) == "done: 0", kind
        process = psutil.Process(children.pids[0])
        idle, hard = process.rlimit(psutil.RLIMIT_DATA)
        assert idle < 1_500_000_000
        assert hard <= max(memory_estimate.total_bytes(), 4_000_000_000)
        assert (await children.run(request(tmp_path), ignore))["results"]
        assert children.pids == [process.pid]


@pytest.mark.skipif(not has_layer("files"), reason="no Landlock here")
async def test_proc_shows_neither_connections_nor_mounts_nor_cgroups(tmp_path: Path) -> None:
    async with started() as children:
        assert await taken_over(children, tmp_path, "proc") == "done: ['status', 'maps']"
        for path in ("/sys/fs/cgroup", "/proc", "/proc/net"):
            outcome = await probe(children, tmp_path, "list", path)
            assert outcome == "refused: Permission denied", path


async def test_thousands_of_threads_kill_the_child(tmp_path: Path) -> None:
    async with started() as children:
        with structlog.testing.capture_logs() as logs, pytest.raises(WorkerCrashed):
            await taken_over(children, tmp_path, "threads")
        assert only(logs, "child_over_limit")["limit"] == task_limits.MAX_THREADS
        with structlog.testing.capture_logs() as logs:
            assert await taken_over(children, tmp_path, "threads later") == "done: None"
            await until_killed(children, children.pids[0])
        assert only(logs, "child_over_limit")["threads"] > task_limits.MAX_THREADS


async def test_processor_time_after_the_task_kills_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.process.IDLE_CPU_SECONDS", 0.1)
    async with started() as children:
        with structlog.testing.capture_logs() as logs:
            assert await taken_over(children, tmp_path, "burn later") == "done: None"
            await until_killed(children, children.pids[0])
        assert only(logs, "child_over_limit")["cpu_seconds"] > 0.1
        assert (await children.run(request(tmp_path), ignore))["results"]


async def test_the_kernel_kills_a_child_that_ignores_the_cpu_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the worker itself hangs."""
    monkeypatch.setattr("workers.child.process._QUOTA_CHECK_SECONDS", 600)
    children = ChildPool(Settings().replace(worker_processes=1))
    children._setup |= {"cpu_seconds": 0.5, "max_cpu_seconds": 1.0}
    await children.start()
    with pytest.raises(WorkerCrashed) as caught:
        await taken_over(children, tmp_path, "burn")
    assert caught.value.facts == {"exit_status": -signal.SIGKILL}
    await children.stop()


async def test_child_with_too_little_processor_time_left_is_replaced(tmp_path: Path) -> None:
    """Its hard limit, which cannot be raised, never shortens a task."""
    causes: list[str] = []
    children = ChildPool(Settings().replace(worker_processes=1), causes.append)
    children._setup |= {"cpu_seconds": 100.0, "max_cpu_seconds": 100.0}
    await children.start()
    (first,) = children.pids
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert causes == ["recycled"]
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert not psutil.pid_exists(first)
    await children.stop()


async def test_memory_that_is_only_reserved_replaces_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of the next task would otherwise be that much higher."""
    monkeypatch.setattr(task_limits, "_STACK_BYTES", 0)
    async with started() as children:
        (first,) = children.pids
        assert await taken_over(children, tmp_path, "reserve") == "done: None"
        await until_killed(children, first)
