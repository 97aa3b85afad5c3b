"""``python -m service`` in its own process, and sockets that send it malformed HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from models.settings import Settings
from standalone.embedded_stores import free_port
from tests.support.paths import ROOT

PATIENCE = 60.0  # seconds before a test gives up; none waits that long on purpose


class Front:
    """A running service; no worker, no supervisor."""

    def __init__(self, settings: Settings, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / f"front.{self.port}.log"
        self._from = 0
        names = {name.upper() for name in Settings.model_fields}
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in names},
            "REDIS_URL": settings.redis_url,
            "MONGO_URL": settings.mongo_url,
            "MONGO_DB": settings.mongo_db,
            "DATA_DIR": str(settings.data_dir),
            "PORT": str(self.port),
            **environment,
        }

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "--ready-fd", str(writing)],
                cwd=ROOT,
                env=self._environment,
                pass_fds=[writing],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            if not told.readline():
                raise AssertionError(f"the service did not start:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def mark(self) -> None:
        """Forget what was logged so far."""
        self._from = self.log.stat().st_size

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged since the mark; fails if a line is no JSON."""
        text = self.log.read_bytes()[self._from :].decode()
        return [json.loads(line) for line in text.split("\n") if line]

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as opened:
            yield opened

    def ask(self, request: bytes) -> bytes:
        """Send ``request`` as it is; return all that comes until the service closes."""
        with self.connection() as opened:
            with contextlib.suppress(ConnectionError):
                opened.sendall(request)
            return rest(opened)


def rest(opened: socket.socket) -> bytes:
    """Return all that comes until the other side closes.

    Raises:
        TimeoutError: it does not.
    """
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := opened.recv(65536):
            found += data
    return bytes(found)


def drip(opened: socket.socket, data: bytes, pause: float) -> float:
    """Send one byte after the other until the other side closes; return the seconds it took.

    Raises:
        AssertionError: all of it was taken.
    """
    began = time.monotonic()
    opened.settimeout(pause)
    for each in data:
        try:
            opened.send(bytes([each]))
            if opened.recv(65536) == b"":
                return time.monotonic() - began
        except TimeoutError:
            continue
        except ConnectionError:
            return time.monotonic() - began
    raise AssertionError(f"{len(data)} bytes were taken, one by one")


def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request as it is; return (status, headers by lower name, body) of its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as opened:
        with contextlib.suppress(ConnectionError):
            opened.sendall(request)
        answer = http.client.HTTPResponse(opened)
        answer.begin()
        names = [name.lower() for name, _ in answer.getheaders()]
        assert len(names) == len(set(names)), names
        return answer.status, dict(zip(names, answer.headers.values(), strict=True)), answer.read()
