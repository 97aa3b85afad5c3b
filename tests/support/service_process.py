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

from models.settings import FIELDS, Settings
from standalone.embedded_stores import free_port
from tests.support.paths import ROOT

TIMEOUT_SECONDS = 60.0  # a test gives up after this; none waits that long on purpose


class ServiceProcess:
    """A running service without worker and supervisor."""

    def __init__(self, settings: Settings, folder: Path, **environment: str) -> None:
        self.settings = settings
        self.port = free_port()
        self.log = folder / f"service.{self.port}.log"
        self._log_offset = 0
        names = {name.upper() for name in FIELDS}
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in names},
            "REDIS_URL": settings.stores.redis_url,
            "MONGO_URL": settings.stores.mongo_url,
            "MONGO_DB": settings.stores.mongo_db,
            "DATA_DIR": str(settings.stores.data_dir),
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
        with os.fdopen(reading, "rb") as ready:
            if not ready.readline():
                self.process.wait(TIMEOUT_SECONDS)
                raise AssertionError(f"the service did not start:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(TIMEOUT_SECONDS)

    def mark(self) -> None:
        """Make ``lines`` skip what was logged so far."""
        self._log_offset = self.log.stat().st_size

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines since the mark; fail if one is not JSON."""
        text = self.log.read_bytes()[self._log_offset :].decode()
        return [json.loads(line) for line in text.split("\n") if line]

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS) as opened:
            yield opened

    def send_raw(self, request: bytes) -> bytes:
        """Send ``request`` unchanged; return all bytes until the service closes the connection."""
        with self.connection() as opened:
            with contextlib.suppress(ConnectionError):
                opened.sendall(request)
            return read_until_closed(opened)


def read_until_closed(opened: socket.socket) -> bytes:
    """Return all bytes until the other side closes.

    Raises:
        TimeoutError: it does not close.
    """
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := opened.recv(65536):
            received += data
    return bytes(received)


def send_slowly(opened: socket.socket, data: bytes, pause_seconds: float) -> float:
    """Send single bytes until the other side closes; return the seconds until then.

    Raises:
        AssertionError: the other side accepted all of them.
    """
    began = time.monotonic()
    opened.settimeout(pause_seconds)
    for byte in data:
        try:
            opened.send(bytes([byte]))
            if opened.recv(65536) == b"":
                return time.monotonic() - began
        except TimeoutError:
            continue
        except ConnectionError:
            return time.monotonic() - began
    raise AssertionError(f"{len(data)} bytes were accepted, one by one")


def send_request(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request unchanged; return (status, headers by lower-case name, body)."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as opened:
        with contextlib.suppress(ConnectionError):
            opened.sendall(request)
        response = http.client.HTTPResponse(opened)
        response.begin()
        names = [name.lower() for name, _ in response.getheaders()]
        assert len(names) == len(set(names)), names
        return (
            response.status,
            dict(zip(names, response.headers.values(), strict=True)),
            response.read(),
        )
