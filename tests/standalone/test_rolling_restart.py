"""Drain and replace: SIGTERM and SIGUSR2 under load cost no request and no task."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp.test_utils import TestClient

from models.settings import Settings
from service.app import create_app
from service.app_keys import DRAINING
from standalone.process import Program, environment
from standalone.sockets import Occupied, listen
from tests.standalone.test_supervisor import NewHouse, picture
from tests.support import images
from tests.support.standalone_process import House


class Load:
    """Clients that upload and ask without a pause; whatever is not answered 2xx is kept."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        self.tasks: list[str] = []
        self.trouble: list[str] = []
        self.answered = 0
        self._leave = threading.Event()

    def _upload(self, number: int) -> None:
        """As curl: a connection for each picture."""
        count = 0
        while not self._leave.is_set():
            count += 1
            seed = number * 10_000 + count
            path = picture(self.folder, f"{seed}.png", images.png(seed=seed))
            try:
                self.tasks.append(self.house.upload(path)["task_id"])
            except Exception as error:
                self.trouble.append(f"upload {seed}: {error!r}")

    def _ask(self) -> None:
        """As a browser: one connection for as long as the other side keeps it."""
        connection: http.client.HTTPConnection | None = None
        while not self._leave.is_set():
            try:
                connection = connection or http.client.HTTPConnection(
                    "127.0.0.1", self.house.port, timeout=60
                )
                connection.request("GET", "/operations")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.trouble.append(f"GET: {answer.status}")
                self.answered += 1
                if answer.will_close:
                    connection.close()
                    connection = None
            except Exception as error:
                self.trouble.append(f"GET: {error!r}")
                connection = None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._upload, args=(n,)) for n in range(2)]
        threads += [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._leave.set()
            for thread in threads:
                thread.join()


def test_a_rolling_restart_under_load_loses_nothing(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house(WORKERS="2", DRAIN_SECONDS="5")
    assert house.process is not None
    names = ["service", "worker-0", "worker-1"]
    load = Load(house, tmp_path)
    with load.running():
        for turn in range(1, 3):
            before = [house.pid(name) for name in names]
            house.process.send_signal(signal.SIGUSR2)
            house.until(
                lambda t=turn: house.log.read_bytes().count(b"\nreplaced\n") == t, "replaced", 120
            )
            assert not {house.pid(name) for name in names} & set(before)
            assert not any(psutil.pid_exists(pid) for pid in before)
    assert load.trouble == []
    assert len(load.tasks) > 10 and load.answered > 10
    for task_id in load.tasks:
        assert house.task(task_id, wait=60)["status"] == "SUCCESS"
    log = house.log.read_text()
    for name in names:
        assert log.count(f"{name} (") == log.count("ended with status 0") / 3 == 2


def test_a_killed_service_costs_who_connects_a_wait_only(new_house: NewHouse) -> None:
    """The socket is the supervisor's: connections queue until the next process takes them."""
    house = new_house()
    old = house.kill("service")
    with urllib.request.urlopen(f"{house.url}/healthz", timeout=60) as answer:
        assert answer.status == 200
    assert house.pid("service") != old


def test_told_to_stop_it_answers_what_is_in_flight(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house()
    path = picture(tmp_path)
    task_id = house.upload(path)["task_id"]
    assert house.task(task_id, wait=60)["status"] == "SUCCESS"
    kept = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    data = images.png(300, 300, 7)
    slow = socket.create_connection(("127.0.0.1", house.port), timeout=60)
    body = b"--b\r\nContent-Disposition: form-data; name=image; filename=s.png\r\n\r\n" + data
    body += b"\r\n--b--\r\n"
    slow.sendall(
        b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body[:1000]
    )
    service = psutil.Process(house.pid("service"))
    os.kill(service.pid, signal.SIGTERM)
    house.until(lambda: b"draining" in house.log.read_bytes(), "draining")
    # Kept alive: one more request is answered, and told to be the last.
    kept.request("GET", "/readyz")
    last = kept.getresponse()
    assert (last.status, last.getheader("Connection")) == (503, "close")
    assert json.loads(last.read())["missing"] == ["draining"]
    slow.sendall(body[1000:])
    answer = http.client.HTTPResponse(slow)
    answer.begin()
    assert answer.status == 202
    promised = json.loads(answer.read())["task_id"]
    kept.close()
    slow.close()
    house.until(lambda: b"service ended with status 0" in house.log.read_bytes(), "ended")
    assert house.task(promised, wait=60)["status"] == "SUCCESS"


async def test_draining_closes_each_connection_with_its_answer(
    settings: Settings, aiohttp_client: Any
) -> None:
    app = create_app(settings)
    client: TestClient[Any, Any] = await aiohttp_client(app)
    assert (await client.get("/healthz")).headers.get("Connection") != "close"
    app[DRAINING].set()
    assert (await client.get("/healthz")).headers["Connection"] == "close"


async def test_a_new_one_that_does_not_come_up_leaves_the_old_one(tmp_path: Path) -> None:
    """Whether it ends at once or never says that it is ready."""
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, time, pathlib\n"
        "mode = pathlib.Path(sys.argv[1]).read_text()\n"
        "if '--ready-fd' in sys.argv and mode == 'ends': sys.exit(1)\n"
        "if '--ready-fd' in sys.argv and mode == 'ready': __import__('os').write("
        "int(sys.argv[3]), b'x')\n"
        "time.sleep(600)\n"
    )
    mode = tmp_path / "mode"
    mode.write_text("ends")
    command = [sys.executable, str(script), str(mode)]
    program = Program("it", command, environment(), tmp_path / "run")
    await program.start()
    keeper = asyncio.create_task(program.keep())
    old = program.process
    assert old is not None
    assert not await program.replace(30)
    mode.write_text("hangs")
    assert not await program.replace(0.3)
    assert program.process is old and program.running
    assert (tmp_path / "run" / "it.pid").read_text() == f"{old.pid}\n"
    mode.write_text("ready")
    assert await program.replace(30)
    assert program.process is not old and old.returncode is not None
    await program.stop()
    await keeper
    assert not program.running


def test_ports_that_cannot_be_had_are_said() -> None:
    (taken,) = listen("127.0.0.1", 0)
    with taken, pytest.raises(Occupied, match="cannot be used"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(Occupied, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 8080)
