"""Child processes: what they inherit, how they end, and that they never outlive their worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.errors import TaskTimeout, WorkerCrashed
from models.settings import Settings
from tests.support import images, misbehaving_child
from tests.support.fork_servers import children_of
from tests.support.paths import ROOT
from tests.workers.queue.test_jobs import slow_picture
from workers.child.fork_server import ForkServer
from workers.child.pool import ChildPool
from workers.child.process import ChildProcess, ChildStartError
from workers.child.protocol import Progress
from workers.child.request import Request

pytestmark = pytest.mark.integration

OPERATIONS = [{"op": "upscale", "scale": 2, "model": "darkroom-fast"}]


def request(folder: Path, data: bytes | None = None) -> Request:
    source = folder / "original"
    source.write_bytes(data or images.png())
    return Request(str(source), str(folder), OPERATIONS, "png")


def ignore(share: float, until: float) -> None:
    pass


async def test_one_child_runs_many_tasks(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    (pid,) = children.pids
    shares: list[float] = []
    for _ in range(3):
        message = await children.run(request(tmp_path), lambda share, _: shares.append(share))
        assert message["results"][0]["width"] == 80
    assert children.pids == [pid]
    assert shares
    await children.stop()
    assert children.pids == []


@pytest.mark.parametrize(("engine", "precision"), [("opencv", "f32"), ("openvino", "bf16")])
async def test_child_uses_the_configured_engine(
    tmp_path: Path, engine: str, precision: str
) -> None:
    settings = {"upscale_engine": engine, "upscale_precision": precision}
    children = ChildPool(Settings().replace(worker_processes=1, **settings))
    await children.start()
    assert children.engine.split()[::2] == [engine, precision]
    assert (await children.run(request(tmp_path), ignore))["results"]
    await children.stop()


async def test_child_does_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URL", "mongodb://user:secret@host/")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("workers.child.pool.ForkServer", ForkServer)  # starts with these
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    seen = psutil.Process(children.pids[0]).environ()
    assert "secret" not in str(seen)
    assert "MONGO_URL" not in seen
    await children.stop()


async def test_child_is_killed_and_replaced_on_timeout(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1, task_timeout=0.4))
    await children.start()
    (pid,) = children.pids
    with pytest.raises(TaskTimeout, match=r"0.4 s \(TASK_TIMEOUT\)"):
        await children.run(request(tmp_path, slow_picture()), ignore)
    children._timeout = 60
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert not psutil.pid_exists(pid)
    await children.stop()


async def test_cancelled_task_frees_its_slot_at_once(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    started = asyncio.Event()
    work = asyncio.create_task(
        children.run(request(tmp_path, slow_picture()), lambda *_: started.set())
    )
    await started.wait()
    (busy,) = children.pids
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert not psutil.pid_exists(busy)
    await children.stop()


async def test_crash_reports_the_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.misbehaving_child")
    endless = misbehaving_child.picture(lines=['{"progress": 0.1, "until": 0.2}'])
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    (pid,) = children.pids

    def kill(share: float, until: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(WorkerCrashed) as caught:
        await children.run(request(tmp_path, endless), kill)
    assert caught.value.facts == {"exit_status": -signal.SIGKILL}
    await children.stop()


async def test_dead_idle_child_is_replaced_without_a_failure(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=2))
    await children.start()
    for pid in children.pids:
        os.kill(pid, signal.SIGKILL)
    while children.pids:
        await asyncio.sleep(0.01)
    messages = await asyncio.gather(*(children.run(request(tmp_path), ignore) for _ in range(4)))
    assert all(message["results"] for message in messages)
    await children.stop()


async def test_killed_fork_server_takes_its_children_along_and_is_replaced(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    child = psutil.Process(children.pids[0])
    server = child.parent()
    assert server is not None and server.ppid() == os.getpid()
    server.kill()
    assert child.wait(30) is None
    while children.pids:
        await asyncio.sleep(0.01)
    assert (await children.run(request(tmp_path), ignore))["results"]
    assert psutil.Process(children.pids[0]).ppid() != server.pid
    await children.stop()


async def test_first_message_other_than_ready_raises_child_start_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.child.process.parse_message", lambda line: Progress(progress=0.5))
    children = ChildPool(Settings().replace(worker_processes=1))
    with pytest.raises(ChildStartError, match="the first message is not Ready"):
        await children.start()
    await children.stop()


async def test_stop_during_start_leaves_no_child_and_does_not_hang() -> None:
    for pause in (0, 0.001, 0.005, 0.05, 0.2):
        children = ChildPool(Settings().replace(worker_processes=2))
        starting = asyncio.create_task(children.start())
        await asyncio.sleep(pause)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await children.stop()
    left = children_of(psutil.Process())
    assert not [p for p in left if "workers.child" in " ".join(p.cmdline())]


async def test_child_that_exits_at_start_raises_child_start_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server = ForkServer(1_000_000, openvino=False)
    with pytest.raises(ChildStartError, match="does not start"):
        await ChildProcess.start(server, {})
    server.close()


def test_busy_child_dies_with_its_worker(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, signal
from models.settings import Settings
from workers.child.pool import ChildPool
from workers.child.request import Request

async def main():
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    print(children.pids[0], flush=True)
    def die(*shares):
        os.kill(os.getpid(), signal.SIGKILL)
    await children.run({request(tmp_path, slow_picture())!r}, die)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_single_task_gets_all_cores_and_many_share_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.pool.usable_cores", lambda: 8)
    children = ChildPool(Settings().replace(worker_processes=4, workers=2))
    await children.start()
    threads: list[int] = []
    run = ChildProcess.run

    async def recording(self: ChildProcess, task: Request, progress: Any) -> dict[str, Any]:
        threads.append(task.threads)
        return await run(self, task, progress)

    monkeypatch.setattr(ChildProcess, "run", recording)
    await children.run(request(tmp_path), ignore)
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    await asyncio.gather(*(children.run(request(folder), ignore) for folder in folders))
    await children.run(request(tmp_path), ignore)
    assert threads[0] == threads[-1] == 4
    assert sorted(threads[1:-1]) == [1, 1, 2, 4]
    await children.stop()


async def test_exception_in_a_child_is_reported_as_a_defect(tmp_path: Path) -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    (pid,) = children.pids
    wrong = replace(request(tmp_path), format="nowhere")  # type: ignore[arg-type]
    message = await children.run(wrong, ignore)
    assert "nowhere" in message["defect"]
    assert children.pids == [pid]
    await children.stop()
