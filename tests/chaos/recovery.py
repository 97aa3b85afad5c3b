"""How long until things go on after a death, as a Markdown table.

Default settings but two workers of one child each. What is in work when its worker goes is a
picture whose upscaling takes many seconds; the clock stops when the ledger shows the next claim,
so it measures the recovery and not the work.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from standalone import embedded_stores
from tests.chaos import faults
from tests.chaos.storm import poison
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import House

_PAUSE = 0.005  # seconds between two looks: how exact the figures are
_OPEN = 200  # tasks that wait when Redis forgets them
_SETTINGS = {"WORKERS": "2", "WORKER_PROCESSES": "1", "LOG_LEVEL": "ERROR"}
_numbers = itertools.count()

Document = dict[str, Any]


class Darkroom:
    """A running Darkroom, asked over HTTP and watched in its ledger."""

    def __init__(self, url: str, mongo_port: int) -> None:
        self.url = url
        client: MongoClient[Document] = MongoClient(
            port=mongo_port, directConnection=True, serverSelectionTimeoutMS=500
        )
        self.tasks = client["darkroom"]["tasks"]
        self.start_worker: Callable[[], None] = lambda: None

    def post(self, path: str, name: str, data: bytes) -> str | None:
        """Return the id of the task that was made, or None where nothing was accepted."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{name}"'
        body = head.encode() + b"\r\n\r\n" + data + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        request = urllib.request.Request(self.url + path, body, kind)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return str(json.load(response)["task_id"])
        except OSError:
            return None

    def small(self) -> str | None:
        number = next(_numbers)
        return self.post("/grayscale", f"{number}.png", images.png(seed=number))

    def task(self, task_id: str) -> Document:
        with contextlib.suppress(PyMongoError):
            return self.tasks.find_one({"_id": task_id}) or {}
        return {}

    def in_work(self) -> tuple[str, psutil.Process]:
        """Have the long work begun; return its task and the worker that has it."""
        (file,) = poison().files
        task_id = self.post("/upscale", *file)
        assert task_id is not None
        until(lambda: self.task(task_id)["status"] == "STARTED")
        time.sleep(1)  # a death should not meet a worker that has only just claimed
        return task_id, psutil.Process(int(self.task(task_id)["lease"]["worker"].split(":")[-1]))

    def cancel(self, task_id: str) -> None:
        request = urllib.request.Request(f"{self.url}/tasks/{task_id}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()
        # The same picture is sent again: a task that is asked for anew would keep its counters.
        self.tasks.delete_one({"_id": task_id})

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                return True
        except OSError:
            return False


def until(true: Callable[[], Any], seconds: float = 120) -> float:
    """Return the time at which ``true()`` first was."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_PAUSE)
    return time.monotonic()


def worker_lost(room: Darkroom, signum: signal.Signals) -> float:
    """Return seconds from the loss of a worker until another claims its task."""
    task_id, worker = room.in_work()
    began = time.monotonic()
    worker.send_signal(signum)
    ended = until(lambda: room.task(task_id).get("attempts") == 2)
    if signum is signal.SIGSTOP:
        worker.resume()
        time.sleep(4)  # a heartbeat or two: the lease turns out to be another's
        assert room.task(task_id)["lease"]["worker"].split(":")[-1] != str(worker.pid)
    room.cancel(task_id)
    until(lambda: room.small() and True)
    return ended - began


def redis_wiped(room: Darkroom, house: House) -> float:
    """Return seconds from FLUSHALL until every task that waited has been rung again."""
    workers = list(faults.workers_of(house))
    for worker in workers:
        worker.suspend()
    made = [room.small() for _ in range(_OPEN)]
    faults.flush(house)
    for worker in workers:
        worker.resume()
    began = time.monotonic()
    unrung = {"_id": {"$in": made}, "status": "CREATED", "rings": 0}
    ended = until(lambda: not room.tasks.count_documents(unrung))
    until(lambda: room.tasks.count_documents({"_id": {"$in": made}, "status": "SUCCESS"}) == _OPEN)
    return ended - began


def store_lost(room: Darkroom, harm: Callable[[], object]) -> tuple[float, float]:
    """Return seconds from ``harm`` until an upload is accepted, and until its task has ended."""
    began = time.monotonic()
    harm()
    while (made := room.small()) is None:
        time.sleep(_PAUSE)
    accepted = time.monotonic()
    ended = until(lambda: room.task(made).get("status") == "SUCCESS")
    time.sleep(2)  # the next death is to meet a house at rest
    return accepted - began, ended - began


def service_lost(room: Darkroom, house: House) -> float:
    """Return seconds from the death of the service until the next one answers."""
    psutil.Process(house.kill("service")).wait(10)
    began = time.monotonic()
    ended = until(room.answers)
    time.sleep(2)
    return ended - began


@contextlib.contextmanager
def unsupervised(folder: Path) -> Iterator[Darkroom]:
    """Run the stores, a service and two workers, each by itself: nobody restarts or tells."""
    redis, mongo, port = (
        embedded_stores.redis(folder),
        embedded_stores.mongo(folder),
        embedded_stores.free_port(),
    )
    given = {"REDIS_URL": redis.url, "MONGO_URL": mongo.url, "PORT": str(port), **_SETTINGS}
    running = []

    def start(*command: str) -> None:
        environment = {**os.environ, **given, "DATA_DIR": str(folder)}
        running.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    try:
        for server in (redis, mongo):
            start(*server.program.command)
            server.ready()
        for module in ("service", "workers", "workers"):
            start(sys.executable, "-m", module)
        room = Darkroom(f"http://127.0.0.1:{port}", mongo.port)
        room.start_worker = lambda: start(sys.executable, "-m", "workers")
        until(lambda: _ready(room.url))
        yield room
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(60)


def _ready(url: str, workers: int = 2) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as response:
            return bool(json.load(response)["workers"] == workers)
    except OSError:
        return False


def row(what: str, figures: list[float]) -> None:
    middle, worst = statistics.median(figures), max(figures)
    print(f"| {what} | {middle:.2f} | {worst:.2f} |", flush=True)


def measure(folder: Path, times: int) -> None:
    """Print the table; ``times`` deaths of each kind."""
    print(f"| what dies, {times} times each | median s | worst s |\n|---|---|---|")
    with House(folder / "data", **_SETTINGS) as house:
        room = Darkroom(house.url, faults.port(house, "mongo"))
        until(lambda: _ready(room.url))
        killed = []
        for _ in range(times):
            killed.append(worker_lost(room, signal.SIGKILL))
            until(lambda: _ready(room.url))
        row("worker killed, supervised: until another claims its task", killed)
        frozen = [worker_lost(room, signal.SIGSTOP) for _ in range(times)]
        row("worker frozen (LEASE_SECONDS is 10): the same", frozen)
        row(
            f"Redis wiped, {_OPEN} tasks waiting: until all are rung again",
            [redis_wiped(room, house) for _ in range(times)],
        )
        for what, harm in (
            ("Redis killed", lambda: house.kill("redis")),
            ("mongod killed", lambda: house.kill("mongo")),
            ("mongod told to end", lambda: os.kill(house.pid("mongo"), signal.SIGTERM)),
            ("primary told to step down for 1 s", lambda: faults.step_down(house)),
        ):
            pairs = [store_lost(room, harm) for _ in range(times)]
            row(f"{what}: until an upload is accepted", [pair[0] for pair in pairs])
            row(f"{what}: until its task has ended", [pair[1] for pair in pairs])
        row("service killed: until it answers", [service_lost(room, house) for _ in range(times)])
    with unsupervised(folder / "alone") as room:
        # Nobody restarts what was killed: with each death one worker is left, and one is started.
        killed = []
        for _ in range(times):
            killed.append(worker_lost(room, signal.SIGKILL))
            room.start_worker()
            until(lambda: _ready(room.url))
    row("worker killed, nobody sees it (LEASE_SECONDS is 10): until another claims", killed)
