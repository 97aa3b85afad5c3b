"""Start a Darkroom for the soak; its times are short, so that all that expires soon is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.settings import FIELDS
from standalone.embedded_stores import free_port

_ROOT = Path(__file__).resolve().parent.parent.parent
_START_TIMEOUT_SECONDS = 120
MAX_UPLOAD_BYTES = 1024 * 1024
UPLOAD_TIMEOUT = 6
_DISK_BYTES, _DISK_BYTES_PER_SECOND = 800_000_000, 250_000
"""Of all that it writes. MongoDB's journal and an empty database take about 250 MB of it. Tasks and
names are kept for ever, so a longer soak needs more."""
_MIN_FREE_BYTES = 250_000_000
_OWN_WRITES_BYTES = 25_000_000  # of the reserve, for MongoDB's journal and documents

_SHORT_SETTINGS = {
    # How long a hostile client may keep something
    "KEEPALIVE_TIMEOUT": "5",
    "UPLOAD_TIMEOUT": str(UPLOAD_TIMEOUT),
    "UPLOAD_STALL_TIMEOUT": "12",
    "MAX_WAIT": "10",
    # How long something is stored
    "RESULT_TTL": "10",
    "ORIGINAL_TTL": "5",
    "INTERMEDIATE_TTL": "5",
    "DELETE_GRACE_SECONDS": "10",
    # Limits that this program can exceed at little cost
    "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
    "MAX_QUEUE_PER_CLIENT": "300",
    "MAX_RESULT_BYTES": "150000000",
    "MIN_FREE_DISK_BYTES": str(_MIN_FREE_BYTES),
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Darkroom:
    """A running Darkroom."""

    url: str
    port: int
    data_dir: Path
    scratch: Path
    """Its TMPDIR."""
    log: Path
    process: psutil.Process
    settings: Mapping[str, str]
    disk_bytes: int
    """Of the disk of its own that all of it lies on; 0: it has none."""
    min_free_bytes: int = _MIN_FREE_BYTES - _OWN_WRITES_BYTES

    def store_port(self, store: str) -> int:
        return int((self.data_dir / store / "port").read_text())

    def check(self) -> str:
        """Return what ``python -m models check`` prints; "" if it finds nothing."""
        done = subprocess.run(
            [sys.executable, "-m", "models", "check"],
            cwd=_ROOT,
            env={
                **_environment_without_settings(),
                **self.settings,
                "DATA_DIR": str(self.data_dir),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr


def _environment_without_settings() -> dict[str, str]:
    darkroom = {name.upper() for name in FIELDS}
    return {name: value for name, value in os.environ.items() if name not in darkroom}


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[int]:
    """Mount a disk of ``size`` bytes at ``folder``; gives them, or 0 if the user may not."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield 0
        return
    try:
        yield size
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def start_darkroom(seconds: float, changes: Mapping[str, str] | None = None) -> Iterator[Darkroom]:
    """Run ``python -m standalone`` in a temporary folder; ``changes``: other settings.

    The folder is a small disk of its own where the user may mount one, with room for the records
    of ``seconds`` of load.

    Raises:
        RuntimeError: it does not start; the message holds its log.
    """
    disk = _DISK_BYTES + round(seconds * _DISK_BYTES_PER_SECOND)
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-soak-") as name,
        _small_disk(Path(name), disk) as disk_bytes,
    ):
        folder = Path(name)
        scratch = folder / "tmp"
        scratch.mkdir()
        port = free_port()
        settings = {**_SHORT_SETTINGS, **(changes or {})}
        environment = {"PORT": str(port), "DATA_DIR": str(folder / "data"), "TMPDIR": str(scratch)}
        log = folder / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "standalone"],
                cwd=_ROOT,
                env={**_environment_without_settings(), **settings, **environment},
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + _START_TIMEOUT_SECONDS
            while b"is ready" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Darkroom did not start:\n{log.read_text()[-4000:]}")
                time.sleep(0.05)
            yield Darkroom(
                f"http://127.0.0.1:{port}",
                port,
                folder / "data",
                scratch,
                log,
                psutil.Process(process.pid),
                settings,
                disk_bytes,
            )
        finally:
            process.terminate()
            process.wait(60)
