"""A Darkroom of the soak's own: all its times short, so that what is to go is gone when we look."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.settings import Settings
from standalone.embedded_stores import free_port

_ROOT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 120
MAX_UPLOAD_BYTES = 1024 * 1024
UPLOAD_TIMEOUT = 6

_SHORT = {
    # What a hostile client may keep for how long
    "KEEPALIVE_TIMEOUT": "5",
    "UPLOAD_TIMEOUT": str(UPLOAD_TIMEOUT),
    "UPLOAD_GRACE": "2",
    "EVENTS_STALL": "5",
    "MAX_WAIT": "10",
    # What is kept for how long
    "RESULT_TTL": "10",
    "ORIGINAL_TTL": "5",
    "INTERMEDIATE_TTL": "5",
    "DELETE_GRACE": "10",
    "ORPHAN_SECONDS": "10",
    "CACHE_TTL": "5",
    "HOUSEKEEPING_SECONDS": "1",
    # What is refused at little cost for this program
    "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
    "MAX_QUEUE_PER_CLIENT": "300",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class House:
    """A running Darkroom."""

    url: str
    port: int
    data_dir: Path
    scratch: Path
    """Its TMPDIR."""
    log: Path
    process: psutil.Process

    def store_port(self, store: str) -> int:
        return int((self.data_dir / store / "port").read_text())

    def check(self) -> str:
        """Return what ``python -m models check`` has to say; empty if all is well."""
        done = subprocess.run(
            [sys.executable, "-m", "models", "check"],
            cwd=_ROOT,
            env={**_clean(), **_SHORT, "DATA_DIR": str(self.data_dir)},
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr


def _clean() -> dict[str, str]:
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in ours}


@contextmanager
def house() -> Iterator[House]:
    """Run ``python -m standalone`` in a temporary folder.

    Raises:
        RuntimeError: it does not start; says what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-soak-") as name:
        folder = Path(name)
        scratch = folder / "tmp"
        scratch.mkdir()
        port = free_port()
        environment = {"PORT": str(port), "DATA_DIR": str(folder / "data"), "TMPDIR": str(scratch)}
        log = folder / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "standalone"],
                cwd=_ROOT,
                env={**_clean(), **_SHORT, **environment},
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while b"is ready" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Darkroom did not start:\n{log.read_text()[-4000:]}")
                time.sleep(0.05)
            yield House(
                f"http://127.0.0.1:{port}",
                port,
                folder / "data",
                scratch,
                log,
                psutil.Process(process.pid),
            )
        finally:
            process.terminate()
            process.wait(60)
