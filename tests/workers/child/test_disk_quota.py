"""No child fills the disk, and deleting its files does not block the worker."""

from __future__ import annotations

import os
import signal
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from models.errors import WorkerCrashed
from tests.support import images
from tests.workers.child.test_pool import ignore, request
from tests.workers.sandbox.test_sandbox import probe, started
from workers.child.disk_quota import DiskQuota
from workers.child.results import clear_folder, remove_folder

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("probe_name", ["many files", "large files"])
@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_a_child_that_fills_its_folder_is_killed(
    probe_name: str, sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.sandbox_probe")
    settings = {"max_output_pixels": 1_000_000, "task_timeout": 30}
    with structlog.testing.capture_logs() as logs:
        async with started(child_sandbox=sandbox, **settings) as children:
            (own,) = [child._folder for child in children._children if child]
            with pytest.raises(WorkerCrashed) as caught:
                await probe(children, tmp_path, probe_name, "OWN")
            assert caught.value.facts == {"exit_status": -signal.SIGKILL}
            assert not own.exists()
            assert await probe(children, tmp_path, "read", "OWN/original")
    (entry,) = [entry for entry in logs if entry["event"] == "child_over_disk_quota"]
    assert entry["files"] == 1 + 16


async def test_largest_task_stays_within_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16-bit noise with alpha compresses least; it has as many pixels as the limits allow."""
    saw_last_result: list[bool] = []
    original = DiskQuota.exceeded

    def recording(self: DiskQuota, folder: Path) -> bool:
        saw_last_result.append((folder / "result-4.png").exists())
        return original(self, folder)

    monkeypatch.setattr("workers.child.process._QUOTA_CHECK_SECONDS", 0)
    monkeypatch.setattr(DiskQuota, "exceeded", recording)
    noise = np.random.default_rng(0).integers(0, 1 << 16, (1000, 1000, 4), np.uint16)
    data = images.by_hand(noise)
    operations = [{"op": "split"}]
    async with started(max_output_pixels=1_000_000) as children:
        task = replace(request(tmp_path, data), operations=operations, result_count=4, keep=[0])
        message = await children.run(task, ignore)
    assert len(message["results"]) == 4 and len(message["kept"]) == 1
    assert sum(result["bytes"] for result in message["results"]) > 8_000_000
    assert any(saw_last_result)


def test_missing_empty_and_sparse_files_do_not_exceed_the_quota(tmp_path: Path) -> None:
    assert not DiskQuota(0, 0).exceeded(tmp_path / "nowhere")
    assert not DiskQuota(0, 0).exceeded(tmp_path)
    (tmp_path / "large").write_bytes(b"a")
    os.truncate(tmp_path / "large", 1 << 40)
    assert not DiskQuota(1, 1 << 20).exceeded(tmp_path)  # a sparse file takes no space
    assert DiskQuota(0, 1 << 20).exceeded(tmp_path)
    assert DiskQuota(1, 1).exceeded(tmp_path)


@pytest.mark.parametrize("delete", [clear_folder, remove_folder])
def test_folder_deletion_takes_constant_memory(
    delete: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "child"
    folder.mkdir()
    for number in range(5000):
        (folder / str(number)).touch()
    tracemalloc.start()
    try:
        delete(folder)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert folder.exists() == (delete is clear_folder)
    assert not folder.exists() or not list(folder.iterdir())


async def test_folder_deletion_does_not_block_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[Any] = []

    def recording(folder: Path) -> None:
        threads.append(threading.current_thread())
        remove_folder(folder)

    monkeypatch.setattr("workers.child.process.remove_folder", recording)
    async with started():
        pass
    assert threads and threading.main_thread() not in threads


async def test_an_empty_folder_needs_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def exceeded(_: DiskQuota, folder: Path) -> bool:
        looked.append(folder)
        return True

    monkeypatch.setattr(DiskQuota, "exceeded", exceeded)
    assert not await DiskQuota().is_exceeded(tmp_path)
    assert not await DiskQuota().is_exceeded(tmp_path / "nowhere")
    assert not looked
    (tmp_path / "file").touch()
    assert await DiskQuota().is_exceeded(tmp_path)
    assert looked == [tmp_path]
