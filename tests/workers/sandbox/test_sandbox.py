"""What a child that a picture took over can still do, tried from inside a real child."""

from __future__ import annotations

import ast
import asyncio
import functools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from models.errors import WorkerCrashed
from models.settings import Settings
from tests.support import images
from tests.support.paths import ROOT
from tests.workers.child.test_pool import ignore, request
from tests.workers.child.test_results import succeeded_message
from workers import sandbox
from workers.child.fork_server import ForkServer
from workers.child.pool import ChildPool
from workers.child.process import ChildProcess, ChildStartError
from workers.imaging import decoders

linux = pytest.mark.skipif(sys.platform != "linux", reason="layers of Linux")
pytestmark = [pytest.mark.integration, linux]


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.sandbox_probe")


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[ChildPool]:
    children = ChildPool(Settings().replace(worker_processes=1, **settings))
    try:
        await children.start()
        yield children
    finally:
        await children.stop()


async def probe(children: ChildPool, folder: Path, name: str, path: str = "", **more: Any) -> str:
    task = replace(request(folder), operations=[{"probe": name, "path": path, **more}])
    message = await children.run(task, ignore)
    return str(message["error"]["detail"])


@functools.cache
def has_layer(layer: str) -> bool:
    """Return whether this kernel has ``layer``."""
    program = f"""
import sys, tempfile
from workers import sandbox
layers = sandbox.enter_sandbox(tempfile.gettempdir(), "weights", 1 << 32, 1 << 30, 99)
sys.exit(bool(layers[{layer!r}]))
"""
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


async def test_all_layers_are_active_and_do_not_change_the_engine(tmp_path: Path) -> None:
    async with started(child_sandbox="off") as children:
        engine = children.engine
        assert set(children.layers.values()) == {"CHILD_SANDBOX=off"}
    async with started() as children:
        assert children.engine == engine
        assert tuple(children.layers) == sandbox.LAYERS
        assert {name: has_layer(name) for name in sandbox.LAYERS} == {
            name: not why for name, why in children.layers.items()
        }
        assert (await children.run(request(tmp_path), ignore))["results"]


@pytest.mark.skipif(not has_layer("calls"), reason="no seccomp here")
async def test_sandbox_blocks_network_programs_and_other_processes(tmp_path: Path) -> None:
    probes = (
        *("socket", "unix socket", "socket pair", "netlink", "exec", "fork", "program"),
        *("ptrace", "io_uring", "userns", "kill", "kill all"),
    )
    async with started() as children:
        for name in probes:
            outcome = await probe(children, tmp_path, name)
            assert outcome == "refused: Operation not permitted", name
        outcome = await probe(children, tmp_path, "thread")
        assert outcome.endswith("a thread is refused: refused: Operation not permitted")
        assert "refused" in await probe(children, tmp_path, "chmod", "OWN/original")


@pytest.mark.skipif(not has_layer("files"), reason="no Landlock here")
async def test_sandbox_allows_only_its_own_folder(tmp_path: Path) -> None:
    secret, scratch = tmp_path / "secret", tmp_path / "scratch"
    secret.write_text("mongodb://user:secret@host/")
    scratch.mkdir()
    children = ChildPool(Settings().replace(worker_processes=2), scratch=scratch)
    await children.start()
    one, other = scratch.iterdir()
    for path in ("/etc/passwd", "/etc/hostname", str(secret), f"{ROOT}/README.md"):
        assert await probe(children, tmp_path, "read", path) == "refused: Permission denied", path
    for path in ("/", "/etc", str(ROOT), str(tmp_path), str(scratch)):
        assert await probe(children, tmp_path, "list", path) == "refused: Permission denied", path
    (mine,) = {one, other} - {await _neighbour(children, tmp_path, one, other)}
    for name in ("write", "append", "truncate", "delete", "link"):
        for parent in (tmp_path, ROOT / "weights", ROOT / "workers", Path("/dev/shm"), scratch):
            path = str(secret if name in {"truncate", "delete"} else parent / "left-behind")
            assert (await probe(children, tmp_path, name, path)).startswith("refused: "), path
    assert secret.read_text() == "mongodb://user:secret@host/"
    # "Permission denied" or, by seccomp, "Operation not permitted".
    assert (await probe(children, tmp_path, "link", "OWN/link")).startswith("refused")
    for name in ("parent", "parent memory"):
        assert (await probe(children, tmp_path, name)).startswith("refused"), name
    assert (await probe(children, tmp_path, "own status")).startswith("done: Name:")
    assert await probe(children, tmp_path, "write", "OWN/mine") == "done: 4"
    assert (
        await probe(children, tmp_path, "read", "OWN/original") == "done: \x89PNG\r\n\x1a\n\x00\x00"
    )
    # Files of one task are deleted before the next.
    assert "mine" not in await probe(children, tmp_path, "list", "OWN")
    assert mine in {one, other}
    await children.stop()
    assert list(scratch.iterdir()) == []


async def _neighbour(children: ChildPool, folder: Path, one: Path, other: Path) -> Path:
    """Return the folder of the other child: the child that answers cannot read it."""
    outcomes = [await probe(children, folder, "list", str(path)) for path in (one, other)]
    assert sorted(text.split(":")[0] for text in outcomes) == ["done", "refused"]
    return one if outcomes[0].startswith("refused") else other


async def test_rlimits_are_set_and_cannot_be_raised(tmp_path: Path) -> None:
    settings = {"max_output_pixels": 1_000_000, "memory_budget": 400_000_000}
    async with started(**settings) as children:
        limits = ast.literal_eval(
            (await probe(children, tmp_path, "limits")).removeprefix("done: ")
        )
        assert limits["RLIMIT_CORE"] == 0
        assert limits["RLIMIT_NOFILE"] == 64
        assert limits["RLIMIT_FSIZE"] == 8_000_000 + (64 << 20)
        assert 2_000_000_000 < limits["RLIMIT_DATA"] < 3_000_000_000
        seconds = Settings().worker.task_timeout * (os.cpu_count() or 1) + 10
        assert limits["RLIMIT_CPU"] == 2 * seconds
        assert await probe(children, tmp_path, "grow", "OWN/new") == "refused: File too large"
        assert await probe(children, tmp_path, "files") == "refused: Too many open files"
        (pid,) = children.pids
        before = sorted(psutil.Process(pid).environ()) if os.getuid() == 0 else []
        assert set(before) <= {"PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "LD_LIBRARY_PATH"} | {
            *("VIRTUAL_ENV", "PYTHONPATH"),
            "LC_CTYPE",  # set by Python if the language is C
        }


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
async def test_child_has_no_capabilities(tmp_path: Path) -> None:
    async with started() as children:
        status = Path(f"/proc/{children.pids[0]}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    if has_layer("calls"):
        assert fields["Seccomp"] == "2"


async def test_endless_c_code_is_killed_by_the_cpu_limit(tmp_path: Path) -> None:
    """The worker hangs and no Python code of the child runs: the kernel kills it."""
    children = ChildPool(Settings().replace(worker_processes=1))
    children._setup["cpu_seconds"] = 1.0
    await children.start()
    with pytest.raises(WorkerCrashed) as caught:
        await probe(children, tmp_path, "endless")
    assert caught.value.facts == {"exit_status": -signal.SIGXCPU}
    await children.stop()


def test_child_in_endless_c_code_dies_with_its_worker(tmp_path: Path) -> None:
    task = replace(request(tmp_path), operations=[{"probe": "endless"}])
    program = f"""
import asyncio, os, signal
import workers.child.fork_server
from models.settings import Settings
from workers.child.pool import ChildPool
from workers.child.request import Request

workers.child.fork_server._PROGRAM = "tests.support.sandbox_probe"

async def main():
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    print(children.pids[0], flush=True)
    asyncio.ensure_future(children.run({task!r}, print))
    while open(f"/proc/{{children.pids[0]}}/stat").read().split()[2] != "R":
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    try:
        child = psutil.Process(int(done.stdout))
    except psutil.NoSuchProcess:
        return
    assert child.wait(30) is None


@pytest.mark.parametrize("layer", ["files", "calls"])
async def test_missing_layer_is_logged_or_refused_if_required(
    layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", f"lacks-{layer}")
    with structlog.testing.capture_logs() as logs:
        async with started() as children:
            assert (await children.run(request(tmp_path), ignore))["results"]
    (entry,) = [entry for entry in logs if entry["event"] == "children_not_fully_confined"]
    assert f"{layer}: [Errno 38] Function not implemented" in entry["missing"]
    with pytest.raises(ChildStartError, match=f"CHILD_SANDBOX=require, and .*{layer}: .Errno 38"):
        async with started(child_sandbox="require"):
            pass


async def test_child_starts_with_all_required_layers() -> None:
    if not all(map(has_layer, sandbox.LAYERS)):
        pytest.skip("this kernel lacks a layer")
    async with started(child_sandbox="require") as children:
        assert not any(children.layers.values())


async def test_forged_result_path_kills_the_child_and_leaks_nothing(tmp_path: Path) -> None:
    """Otherwise a taken-over child could have its worker publish files that only it may read."""
    (tmp_path / "secret").write_text("mongodb://user:secret@host/")
    folder = tmp_path / "task"
    folder.mkdir()
    async with started(child_sandbox="off") as children:  # so that it can make a link
        (own,) = [child._folder for child in children._children if child]
        for path in (f"{own}/link", f"{tmp_path}/secret"):
            (pid,) = children.pids
            with pytest.raises(WorkerCrashed):
                await probe(children, folder, "link", "OWN/link", message=succeeded_message(path))
            assert not [left for left in folder.iterdir() if b"secret" in left.read_bytes()]
            assert (await children.run(request(folder), ignore))["results"]
            assert not psutil.pid_exists(pid)
            (own,) = [child._folder for child in children._children if child]


async def test_only_accepted_decoders_are_registered(tmp_path: Path) -> None:
    async with started() as children:
        exif = images.jpeg(20, 20, exif=images.decoded(images.jpeg()).getexif())
        for data in (images.png(), images.jpeg(), exif):
            for kind in ("png", "jpeg", "webp"):
                task = replace(request(tmp_path, data), operations=[], format=kind)
                assert (await children.run(task, ignore))["results"]
        # All that INPUT_FORMATS may name; only the one that its first bytes name opens a file.
        known = sorted(decoders.FORMATS.values())
        assert await probe(children, tmp_path, "decoders") == f"done: {known}"


async def test_folder_of_a_child_is_deleted_with_it(tmp_path: Path) -> None:
    children = ChildPool(
        Settings().replace(worker_processes=1, child_max_tasks=1), scratch=tmp_path / "scratch"
    )
    (tmp_path / "scratch").mkdir()
    await children.start()
    for _ in range(3):
        assert (await children.run(request(tmp_path), ignore))["results"]
    while children._replacements:
        await asyncio.sleep(0.01)
    (pid,) = children.pids
    os.kill(pid, signal.SIGKILL)
    while children.pids:
        await asyncio.sleep(0.01)
    assert (await children.run(request(tmp_path), ignore))["results"]
    await children.stop()
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_child_without_a_scratch_folder_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await ChildProcess.start(
            ForkServer(1, openvino=False), {"scratch": str(tmp_path / "nowhere")}
        )
