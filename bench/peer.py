"""The peer: Flask, Celery and plain OpenCV over MongoDB, with the same calls as ours.

Its program and the client that drives both lie in ``../shared/peer``, which is not part of the
project; without it there are no figures of the peer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.darkroom import run_mongod, run_redis
from bench.environments import programs
from standalone.embedded_stores import free_port

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "peer"
_PACKAGES = (
    *("flask", "celery", "redis", "pymongo", "packaging"),
    "opencv-contrib-python-headless==4.14.0.94",
)
_START_SECONDS = 60


@contextmanager
def run_peer(model: Path, algorithm: str, scale: int, *, wanted: bool) -> Iterator[str]:
    """Run the peer with a process per core, as its authors would, and yield its URL.

    If it is not ``wanted``, yield "".
    """
    if not wanted:
        yield ""
        return
    python, port = programs("peer", *_PACKAGES) / "python", free_port()
    with run_mongod() as mongo, run_redis() as redis, ExitStack() as running:
        log = running.enter_context(tempfile.TemporaryFile("w+"))
        environment = {
            "PEER_REDIS": redis.rpartition("/")[0],
            "PEER_MONGO": mongo,
            "PEER_MODEL": str(model),
            "PEER_ALGO": algorithm,
            "PEER_SCALE": str(scale),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for command in (
            ("flask", "--app", "app", "run", "--port", str(port)),
            ("celery", "-A", "app.queue", "worker", "-c", str(os.cpu_count()), "-l", "warning"),
        ):
            process = subprocess.Popen(
                [python, "-m", *command],
                cwd=FOLDER,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            running.callback(process.wait, 60)
            running.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield url


def _wait_for(url: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/tasks/0", timeout=5).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def flows_per_second(url: str, flows: int, at_once: int, size: str, form: dict[str, str]) -> float:
    """Return the flows a second of the shared client, which polls every 20 ms, as of any server."""
    fields = [f"{name}={value}" for name, value in form.items()]
    options = ["--n", str(flows), "--concurrency", str(at_once), "--size", size, "--form", *fields]
    done = subprocess.run(
        [sys.executable, str(FOLDER / "flow.py"), url, *options],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["flows_per_s"])
