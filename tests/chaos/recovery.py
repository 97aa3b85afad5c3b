"""Measure recovery times after process deaths, as a Markdown table.

Default settings, except two workers with one child process each. The task that is running when its
worker dies is an upscale of many seconds; the clock stops when the ledger shows the next claim, so
it measures the recovery and not the work.
"""

from __future__ import annotations

import asyncio
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

from models.replica_set import embedded_mongo_url
from standalone import embedded_stores
from tests.chaos import faults
from tests.chaos.storm import poison
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess

_POLL_SECONDS = 0.005  # the precision of the figures
_WAITING_TASKS = 200  # enqueued when Redis is wiped
_SETTINGS = {"WORKERS": "2", "WORKER_PROCESSES": "1", "LOG_LEVEL": "ERROR"}
_numbers = itertools.count()

Document = dict[str, Any]


class Instance:
    """A running Darkroom, used over HTTP and watched in its ledger."""

    def __init__(self, url: str, mongo_url: str) -> None:
        self.url = url
        client: MongoClient[Document] = MongoClient(
            mongo_url, directConnection=True, serverSelectionTimeoutMS=500
        )
        self.tasks = client["darkroom"]["tasks"]
        self.start_worker: Callable[[], None] = lambda: None

    def post(self, path: str, name: str, data: bytes) -> str | None:
        """Return the id of the created task, or None if the upload was not accepted."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"'
        body = head.encode() + b"\r\n\r\n" + data + f"\r\n--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(self.url + path, body, kind)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return str(json.load(response)["task_id"])
        except OSError:
            return None

    def post_small(self) -> str | None:
        number = next(_numbers)
        return self.post("/grayscale", f"{number}.png", images.png(seed=number))

    def task(self, task_id: str) -> Document:
        with contextlib.suppress(PyMongoError):
            return self.tasks.find_one({"_id": task_id}) or {}
        return {}

    def start_long_task(self) -> tuple[str, psutil.Process]:
        """Start a long task; return its id and the worker process that runs it."""
        (file,) = poison().files
        task_id = self.post("/upscale", *file)
        assert task_id is not None
        wait_until(lambda: self.task(task_id)["status"] == "STARTED")
        time.sleep(1)  # a death should not hit a worker that has only just claimed
        return task_id, psutil.Process(int(self.task(task_id)["lease"]["worker"].split(":")[-1]))

    def cancel(self, task_id: str) -> None:
        request = urllib.request.Request(f"{self.url}/tasks/{task_id}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()
        # The same image is uploaded again: a restarted task would keep its counters.
        self.tasks.delete_one({"_id": task_id})

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                return True
        except OSError:
            return False


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> float:
    """Wait until ``condition()`` is true; return that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_SECONDS)
    return time.monotonic()


def worker_lost(instance: Instance, signum: signal.Signals) -> float:
    """Return seconds from the loss of a worker until another claims its task."""
    task_id, worker = instance.start_long_task()
    began = time.monotonic()
    worker.send_signal(signum)
    ended = wait_until(lambda: instance.task(task_id).get("attempts") == 2)
    if signum is signal.SIGSTOP:
        worker.resume()
        time.sleep(4)  # a heartbeat or two: it notices that its lease is lost
        assert instance.task(task_id)["lease"]["worker"].split(":")[-1] != str(worker.pid)
    instance.cancel(task_id)
    wait_until(lambda: instance.post_small() and True)
    return ended - began


def redis_wiped(instance: Instance, darkroom: StandaloneProcess) -> float:
    """Return seconds from FLUSHALL until every waiting task has been re-enqueued."""
    workers = list(faults.workers_of(darkroom))
    for worker in workers:
        worker.suspend()
    made = [instance.post_small() for _ in range(_WAITING_TASKS)]
    faults.flush(darkroom)
    for worker in workers:
        worker.resume()
    began = time.monotonic()
    not_reenqueued = {"_id": {"$in": made}, "status": "CREATED", "rings": 0}
    ended = wait_until(lambda: not instance.tasks.count_documents(not_reenqueued))
    wait_until(
        lambda: (
            instance.tasks.count_documents({"_id": {"$in": made}, "status": "SUCCESS"})
            == _WAITING_TASKS
        )
    )
    return ended - began


def store_lost(instance: Instance, fault: Callable[[], object]) -> tuple[float, float]:
    """Return seconds from ``fault`` until an upload is accepted, and until its task has ended."""
    began = time.monotonic()
    fault()
    while (made := instance.post_small()) is None:
        time.sleep(_POLL_SECONDS)
    accepted = time.monotonic()
    ended = wait_until(lambda: instance.task(made).get("status") == "SUCCESS")
    time.sleep(2)  # the next fault should hit an idle Darkroom
    return accepted - began, ended - began


def service_lost(instance: Instance, darkroom: StandaloneProcess) -> float:
    """Return seconds from the death of the service until the next one answers."""
    psutil.Process(darkroom.kill("service")).wait(10)
    began = time.monotonic()
    ended = wait_until(instance.answers)
    time.sleep(2)
    return ended - began


@contextlib.contextmanager
def unsupervised(folder: Path) -> Iterator[Instance]:
    """Run the stores, a service and two workers without the supervisor."""
    redis, mongo, port = (
        embedded_stores.redis(folder),
        embedded_stores.mongo(folder),
        embedded_stores.free_port(),
    )
    settings = {"REDIS_URL": redis.url, "MONGO_URL": mongo.url, "PORT": str(port), **_SETTINGS}
    running = []

    def start(*command: str) -> None:
        environment = {**os.environ, **settings, "DATA_DIR": str(folder)}
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
            start(*server.process.command)
            asyncio.run(server.process.ready())
        for module in ("service", "workers", "workers"):
            start(sys.executable, "-m", module)
        instance = Instance(f"http://127.0.0.1:{port}", mongo.url)
        instance.start_worker = lambda: start(sys.executable, "-m", "workers")
        wait_until(lambda: _ready(instance.url))
        yield instance
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


def print_row(label: str, figures: list[float]) -> None:
    middle, worst = statistics.median(figures), max(figures)
    print(f"| {label} | {middle:.2f} | {worst:.2f} |", flush=True)


def measure(folder: Path, times: int) -> None:
    """Print the table; each fault is injected ``times`` times."""
    print(f"| fault, {times} times each | median s | worst s |\n|---|---|---|")
    with StandaloneProcess(folder / "data", **_SETTINGS) as darkroom:
        instance = Instance(darkroom.url, embedded_mongo_url(darkroom.data_dir))
        wait_until(lambda: _ready(instance.url))
        killed = []
        for _ in range(times):
            killed.append(worker_lost(instance, signal.SIGKILL))
            wait_until(lambda: _ready(instance.url))
        print_row("worker killed, supervised: until another claims its task", killed)
        frozen = [worker_lost(instance, signal.SIGSTOP) for _ in range(times)]
        print_row("worker frozen (LEASE_SECONDS is 10): the same", frozen)
        print_row(
            f"Redis wiped, {_WAITING_TASKS} tasks waiting: until all are re-enqueued",
            [redis_wiped(instance, darkroom) for _ in range(times)],
        )
        for what, fault in (
            ("Redis killed", lambda: darkroom.kill("redis")),
            ("mongod killed", lambda: darkroom.kill("mongo")),
            ("mongod stopped with SIGTERM", lambda: os.kill(darkroom.pid("mongo"), signal.SIGTERM)),
            ("primary stepped down for 1 s", lambda: faults.step_down(darkroom)),
        ):
            pairs = [store_lost(instance, fault) for _ in range(times)]
            print_row(f"{what}: until an upload is accepted", [pair[0] for pair in pairs])
            print_row(f"{what}: until its task has ended", [pair[1] for pair in pairs])
        print_row(
            "service killed: until it answers",
            [service_lost(instance, darkroom) for _ in range(times)],
        )
    with unsupervised(folder / "alone") as instance:
        # Nothing restarts a killed worker: after each death a new one is started here.
        killed = []
        for _ in range(times):
            killed.append(worker_lost(instance, signal.SIGKILL))
            instance.start_worker()
            wait_until(lambda: _ready(instance.url))
    print_row("worker killed, unsupervised (LEASE_SECONDS is 10): until another claims", killed)
