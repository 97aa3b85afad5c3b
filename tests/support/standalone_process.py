"""Runs ``python -m standalone`` for tests, in its own processes, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from models.settings import FIELDS
from standalone.embedded_stores import free_port
from tests.support.paths import ROOT

_SETTINGS = {name.upper() for name in FIELDS}


class StandaloneProcess:
    """A running Darkroom: service, worker and stores."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = int(environment.get("PORT", free_port()))
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"{data_dir.name}.{self.port}.log"
        clean = {k: v for k, v in os.environ.items() if k not in _SETTINGS}
        self._environment = {
            **clean,
            # Less to start: one child, and no self-test of OpenVINO.
            "WORKER_PROCESSES": "1",
            "UPSCALE_ENGINE": "opencv",
            "PORT": str(self.port),
            "DATA_DIR": str(data_dir),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.launch()
        self.until(lambda: b"Darkroom is ready" in self.log.read_bytes(), "ready")
        return self

    def launch(self) -> None:
        """Start without waiting until it is ready."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "standalone"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Stop it with a signal; return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(60)

    def until(self, condition: Any, what: str, seconds: float = 60) -> None:
        """Wait until ``condition()`` is true; fail with the log after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            if condition():
                return
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"not {what}:\n{self.log.read_text()[-8000:]}")
            # Asking takes processor time that the awaited work needs.
            time.sleep(min(0.5, max(0.02, 4 * (time.monotonic() - began))))

    def pid(self, name: str) -> int:
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def kill(self, name: str) -> int:
        """Kill a process with SIGKILL; return its pid."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def get(self, path: str) -> tuple[int, bytes]:
        """GET; return (status, body), or (0, b"") if the connection fails."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=70) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def curl(self, *arguments: str) -> str:
        """Run curl as users do; return its standard output."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "70", *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=self.data_dir.parent,
        )
        return done.stdout

    def upload(self, path: Path, query: str = "", *fields: str) -> Any:
        """Upload an image with curl; return the JSON of the response."""
        extra = [part for field in fields for part in ("-F", field)]
        response = self.curl("-F", f"image=@{path}", *extra, f"{self.url}/upscale{query}")
        return json.loads(response)

    def task(self, task_id: str, wait: float = 0) -> Any:
        """Return the task; with ``wait`` once it has ended, or after four times that long."""
        deadline = time.monotonic() + 4 * wait
        while True:
            body = json.loads(self.get(f"/tasks/{task_id}?wait={wait}")[1])
            if body["status"] not in {"CREATED", "STARTED"} or time.monotonic() >= deadline:
                return body
