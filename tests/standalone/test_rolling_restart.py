"""Rolling restart: SIGUSR2 and SIGTERM under load lose no request and no task."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp.test_utils import TestClient

from models.settings import Settings
from service.app import create_app
from service.app_keys import DRAINING
from standalone.process import CannotStart, SupervisedProcess
from standalone.sockets import listen
from tests.standalone.test_supervisor import picture
from tests.support import images
from tests.support.standalone_process import StandaloneProcess

_PAUSE_SECONDS = 0.3
"""Between two requests of a client: the restart is to be hit by some, not to be slowed by all."""
_MAX_KEPT_SECONDS = 1.0
"""A service that ends closes a connection on which nothing came for two."""


class Load:
    """Clients that upload and query; records every response that is not 2xx."""

    def __init__(self, darkroom: StandaloneProcess, folder: Path) -> None:
        self.darkroom, self.folder = darkroom, folder
        self.tasks: list[str] = []
        self.errors: list[str] = []
        self.responses = 0
        self._stopping = threading.Event()

    def _upload(self, number: int) -> None:
        """Like curl: one connection for each upload."""
        count = 0
        while not self._stopping.wait(_PAUSE_SECONDS):
            count += 1
            seed = number * 10_000 + count
            path = picture(self.folder, f"{seed}.png", images.png(seed=seed))
            try:
                self.tasks.append(self.darkroom.upload(path)["task_id"])
            except Exception as error:
                self.errors.append(f"upload {seed}: {error!r}")

    def _query(self) -> None:
        """Like a browser: one connection as long as the server keeps it open."""
        connection: http.client.HTTPConnection | None = None
        answered = 0.0
        while not self._stopping.wait(_PAUSE_SECONDS):
            if connection is not None and time.monotonic() - answered > _MAX_KEPT_SECONDS:
                connection.close()
                connection = None
            try:
                connection = connection or http.client.HTTPConnection(
                    "127.0.0.1", self.darkroom.port, timeout=60
                )
                connection.request("GET", "/operations")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.errors.append(f"GET: {answer.status}")
                self.responses += 1
                answered = time.monotonic()
                if answer.will_close:
                    connection.close()
                    connection = None
            except Exception as error:
                self.errors.append(f"GET: {error!r}")
                connection = None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._upload, args=(n,)) for n in range(2)]
        threads += [threading.Thread(target=self._query) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A Darkroom whose processes each test replaces or stops: the supervisor starts new ones."""
    folder = tmp_path_factory.mktemp("rolling_restart")
    with StandaloneProcess(folder / "data", DRAIN_SECONDS="5") as started:
        yield started


@pytest.fixture
def logged(darkroom: StandaloneProcess) -> Callable[[], str]:
    """Return what Darkroom has logged since the test began."""
    before = len(darkroom.log.read_bytes())

    def read() -> str:
        return darkroom.log.read_bytes()[before:].decode()

    return read


def test_rolling_restart_under_load_loses_nothing(
    darkroom: StandaloneProcess, logged: Callable[[], str], tmp_path: Path
) -> None:
    assert darkroom.process is not None
    names = ["service", "worker-0"]
    load = Load(darkroom, tmp_path)
    with load.running():
        for count in range(1, 3):
            before = [darkroom.pid(name) for name in names]
            darkroom.process.send_signal(signal.SIGUSR2)
            darkroom.until(lambda n=count: logged().count("\nreplaced\n") == n, "replaced", 120)
            assert not {darkroom.pid(name) for name in names} & set(before)
            assert not any(psutil.pid_exists(pid) for pid in before)
    assert load.errors == []
    assert len(load.tasks) > 10 and load.responses > 10
    for task_id in load.tasks:
        assert darkroom.task(task_id, wait=60)["status"] == "SUCCESS"
    log = logged()
    for name in names:
        assert log.count(f"{name} (") == log.count("ended with status 0") / 2 == 2


def test_sigterm_answers_requests_in_flight(
    darkroom: StandaloneProcess, logged: Callable[[], str], tmp_path: Path
) -> None:
    path = picture(tmp_path)
    task_id = darkroom.upload(path)["task_id"]
    assert darkroom.task(task_id, wait=60)["status"] == "SUCCESS"
    kept = http.client.HTTPConnection("127.0.0.1", darkroom.port, timeout=60)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    data = images.png(300, 300, 7)
    slow = socket.create_connection(("127.0.0.1", darkroom.port), timeout=60)
    body = b"--b\r\nContent-Disposition: form-data; name=image; filename=s.png\r\n\r\n" + data
    body += b"\r\n--b--\r\n"
    slow.sendall(
        b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body[:1000]
    )
    service = psutil.Process(darkroom.pid("service"))
    os.kill(service.pid, signal.SIGTERM)
    darkroom.until(lambda: "draining" in logged(), "draining")
    # Keep-alive: one more request is answered, with Connection: close.
    kept.request("GET", "/readyz")
    last = kept.getresponse()
    assert (last.status, last.getheader("Connection")) == (503, "close")
    assert "draining" in json.loads(last.read())["missing"]
    slow.sendall(body[1000:])
    answer = http.client.HTTPResponse(slow)
    answer.begin()
    assert answer.status == 202
    accepted_id = json.loads(answer.read())["task_id"]
    kept.close()
    slow.close()
    darkroom.until(lambda: "service ended with status 0" in logged(), "ended")
    assert darkroom.task(accepted_id, wait=60)["status"] == "SUCCESS"


async def test_draining_closes_each_connection_after_its_response(
    settings: Settings, aiohttp_client: Any
) -> None:
    app = create_app(settings)
    client: TestClient[Any, Any] = await aiohttp_client(app)
    assert (await client.get("/healthz")).headers.get("Connection") != "close"
    app[DRAINING].set()
    assert (await client.get("/healthz")).headers["Connection"] == "close"


@pytest.mark.integration
async def test_failed_replacement_keeps_the_old_process(tmp_path: Path) -> None:
    """Whether the new process exits at once or never becomes ready."""
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
    program = SupervisedProcess("it", command, tmp_path / "run")
    await program.start()
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
    assert not program.running


def test_unavailable_ports_are_reported() -> None:
    (taken,) = listen("127.0.0.1", 0)
    with taken, pytest.raises(CannotStart, match="cannot be used"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(CannotStart, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 8080)
