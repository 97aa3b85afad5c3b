"""`make run` as users run it: processes, restarts, stops, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from models import VERSION
from models.replica_set import embedded_mongo_url
from tests.chaos.oplog import OplogReader
from tests.support import images
from tests.support.fork_servers import children_of
from tests.support.standalone_process import StandaloneProcess
from tests.workers.queue.test_jobs import slow_picture

PROCESS_NAMES = ("redis", "mongo", "service", "worker-0")
StartDarkroom = Callable[..., StandaloneProcess]


def picture(folder: Path, name: str = "cat.png", data: bytes | None = None) -> Path:
    path = folder / name
    path.write_bytes(data or images.png())
    return path


def descendants_of(darkroom: StandaloneProcess) -> list[psutil.Process]:
    assert darkroom.process is not None
    return psutil.Process(darkroom.process.pid).children(recursive=True)


def test_the_session_of_the_readme(darkroom: StandaloneProcess, tmp_path: Path) -> None:
    path = picture(tmp_path, "session.png", images.png(seed=9001))  # no other test sends it
    head = darkroom.curl("-si", "-F", f"image=@{path}", f"{darkroom.url}/upscale")
    assert head.startswith("HTTP/1.1 202")
    task_id = json.loads(head.splitlines()[-1])["task_id"]
    assert f"Location: /tasks/{task_id}" in head
    done = json.loads(darkroom.curl(f"{darkroom.url}/tasks/{task_id}?wait=30"))
    assert (done["status"], done["url"]) == ("SUCCESS", "/processed/session-upscale-x2.png")
    darkroom.curl("-OJ", f"{darkroom.url}{done['url']}")
    saved = darkroom.data_dir.parent / "session-upscale-x2.png"
    assert images.decoded(saved.read_bytes()).size == (80, 60)


def test_ready_names_the_page_the_data_and_a_command_that_works(
    darkroom: StandaloneProcess,
) -> None:
    said = darkroom.log.read_text()
    assert f"page:    {darkroom.url}/" in said
    assert f"data:    {darkroom.data_dir.resolve()}" in said
    (command,) = [
        line.partition(":")[2].strip() for line in said.splitlines() if "command:" in line
    ]
    done = subprocess.run(
        command.replace("curl", "curl -sS", 1), shell=True, check=True, capture_output=True
    )
    assert json.loads(done.stdout)["status"] == "SUCCESS"
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (listening,) = [line for line in lines if line["event"] == "listening"]
    assert (listening["addresses"], listening["version"]) == ([darkroom.url], VERSION)


def test_redirect_to_the_result(darkroom: StandaloneProcess, tmp_path: Path) -> None:
    path, big = picture(tmp_path, "one.png"), tmp_path / "big.png"
    darkroom.curl(
        "-L", "-F", f"image=@{path}", f"{darkroom.url}/upscale?wait=30&redirect=1", "-o", str(big)
    )
    assert images.decoded(big.read_bytes()).size == (80, 60)


def test_real_photograph(darkroom: StandaloneProcess, tmp_path: Path, shared: Path) -> None:
    big = tmp_path / "big.png"
    lama = shared / "images" / "lama.png"
    done = darkroom.upload(lama, "?wait=30")
    assert done["url"] == "/processed/lama-upscale-x2.png"
    darkroom.curl(f"{darkroom.url}{done['url']}", "-o", str(big))
    assert images.decoded(big.read_bytes()).size == (514, 600)


def test_photographs_of_both_formats(darkroom: StandaloneProcess, shared: Path) -> None:
    for path in sorted((shared / "images").iterdir(), key=lambda path: path.stat().st_size)[:2]:
        done = darkroom.upload(path, "?wait=60")
        assert done["status"] == "SUCCESS", path
        with Image.open(path) as image:
            (result,) = done["results"]
            assert (result["width"], result["height"]) == (image.width * 2, image.height * 2)


def test_published_models_at_their_scales(
    darkroom: StandaloneProcess, tmp_path: Path, shared: Path
) -> None:
    path = picture(tmp_path, "model.png")
    for model, scales in (
        ("FSRCNN", (2, 3, 4)),
        ("FSRCNN-small", (2, 3, 4)),
        ("ESPCN", (2, 3, 4)),
        ("LapSRN", (2, 4, 8)),
    ):
        for scale in scales:
            done = darkroom.upload(path, "?wait=60", f"model={model}", f"scale={scale}")
            assert done["status"] == "SUCCESS"
            assert done["results"][0]["width"] == 40 * scale


def test_pid_files(darkroom: StandaloneProcess) -> None:
    for name in PROCESS_NAMES:
        command = " ".join(psutil.Process(darkroom.pid(name)).cmdline())
        assert {"redis": "redis-server", "mongo": "mongod"}.get(name, "-m ") in command


def test_stores_listen_on_loopback_only(darkroom: StandaloneProcess) -> None:
    for name in ("redis", "mongo"):
        listening = psutil.Process(darkroom.pid(name)).net_connections("tcp")
        addresses = {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN}
        assert addresses == {"127.0.0.1"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """Two workers with two children each, in a deep folder, whose processes the tests kill.

    Neither leases nor the sweep bring a task back: both intervals are longer than the tests.
    """
    deep = (
        tmp_path_factory.mktemp("pair") / "a-folder-in-a-folder" / ("deep" * 12) / ("deeper" * 12)
    )
    deep.mkdir(parents=True)
    settings = {"SWEEP_INTERVAL_SECONDS": "600", "LEASE_SECONDS": "600"}
    with StandaloneProcess(
        deep / "data", WORKERS="2", WORKER_PROCESSES="2", LOG_FILE=str(deep / "log"), **settings
    ) as started:
        started.until(lambda: json.loads(started.get("/readyz")[1])["workers"] == 2, "two workers")
        for number in range(2):
            assert len(children_of(psutil.Process(started.pid(f"worker-{number}")))) == 2
        yield started


@contextmanager
def work_started(
    darkroom: StandaloneProcess, folder: Path, output: str
) -> Iterator[tuple[str, int]]:
    """Upload a slow image, a new task for each ``output`` format.

    Yields its task and, once it is claimed, the pid of the worker. The children are halted: the
    task does not end before the block does.
    """
    wait_for_workers(darkroom)  # with their children, of which none is to be missed
    workers = [psutil.Process(darkroom.pid(f"worker-{number}")) for number in range(2)]
    halted = [child for worker in workers for child in children_of(worker)]
    try:
        for child in halted:
            child.suspend()
        path = picture(folder, "slow.png", slow_picture(800))
        task_id = darkroom.upload(path, "", f"format={output}")["task_id"]
        darkroom.until(lambda: darkroom.task(task_id)["status"] == "STARTED", "started")
        yield task_id, int(stored_task(darkroom, task_id)["lease"]["worker"].split(":")[-1])
    finally:
        for child in halted:
            with suppress(psutil.NoSuchProcess):  # it was killed
                child.resume()


def stored_task(darkroom: StandaloneProcess, task_id: str) -> Any:
    oplog = OplogReader(embedded_mongo_url(darkroom.data_dir), seconds=60)
    try:
        return oplog.tasks()[task_id]
    finally:
        oplog.close()


def wait_for_workers(darkroom: StandaloneProcess) -> None:
    """Wait until both workers have started: one that still starts would die with a store."""

    def started() -> bool:
        status, body = darkroom.get("/dashboard/api/workers")
        known = (
            {worker["pid"] for worker in json.loads(body)["workers"]} if status == 200 else set()
        )
        return {darkroom.pid("worker-0"), darkroom.pid("worker-1")} <= known

    darkroom.until(started, "both workers started")


def wait_for_stores(darkroom: StandaloneProcess) -> None:
    """Wait until nothing is missing: a service that found Redis away a moment ago queues nothing.

    It is ready without Redis, and the sweep, which queues such tasks later, is off here.
    """
    darkroom.until(lambda: json.loads(darkroom.get("/readyz")[1])["missing"] == [], "all is there")


@pytest.mark.integration
def test_supervisor_reenqueues_the_tasks_of_a_dead_worker(
    pair: StandaloneProcess, tmp_path: Path
) -> None:
    with work_started(pair, tmp_path, "png") as (task_id, pid):
        os.kill(pid, signal.SIGKILL)
    assert pair.task(task_id, wait=60)["status"] == "SUCCESS"
    assert f"re-enqueued 1 tasks of the dead worker {pid}" in pair.log.read_text()
    pair.until(lambda: pid not in {pair.pid("worker-0"), pair.pid("worker-1")}, "replaced")
    pair.until(lambda: json.loads(pair.get("/readyz")[1])["workers"] == 2, "two workers again")


@pytest.mark.integration
def test_every_killed_process_is_restarted(pair: StandaloneProcess, tmp_path: Path) -> None:
    before = pair.upload(picture(tmp_path, "before.png"), "?wait=30")
    names = (*PROCESS_NAMES, "worker-1")
    for name in names:
        wait_for_workers(pair)
        running = {other: pair.pid(other) for other in names}
        old = pair.kill(name)
        # The supervisor holds the socket: a connection waits until the next process accepts it.
        assert name != "service" or pair.get("/healthz")[0] == 200
        pair.until(lambda n=name, o=old: pair.pid(n) != o, f"{name} restarted")
        wait_for_stores(pair)
        others = {other: pair.pid(other) for other in names if other != name}
        assert others == {other: pid for other, pid in running.items() if other != name}
        path = picture(tmp_path, f"{name}.png", images.png(seed=len(name) + 100))
        assert pair.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert pair.get(before["url"])[0] == 200


@pytest.mark.integration
def test_attempt_survives_a_redis_restart(pair: StandaloneProcess, tmp_path: Path) -> None:
    wait_for_workers(pair)
    workers = [pair.pid(f"worker-{number}") for number in range(2)]
    with work_started(pair, tmp_path, "jpeg") as (task_id, _):
        redis = pair.kill("redis")
    assert pair.task(task_id, wait=60)["status"] == "SUCCESS"
    assert stored_task(pair, task_id)["attempts"] == 1
    pair.until(lambda: pair.pid("redis") != redis, "redis restarted")
    wait_for_stores(pair)
    for seed in range(8):  # more than there are job slots: no slot was lost
        path = picture(tmp_path, f"after{seed}.png", images.png(seed=300 + seed))
        assert pair.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert [pair.pid(f"worker-{number}") for number in range(2)] == workers


@pytest.mark.integration
def test_killed_children_are_replaced(pair: StandaloneProcess, tmp_path: Path) -> None:
    with work_started(pair, tmp_path, "webp") as (task_id, pid):
        killed = children_of(psutil.Process(pid))
        for child in killed:
            child.send_signal(signal.SIGKILL)
    assert pair.task(task_id, wait=60)["status"] == "SUCCESS"

    def replaced() -> bool:
        found = {child.pid for child in children_of(psutil.Process(pid))}
        return bool(found) and not found & {child.pid for child in killed}

    pair.until(replaced, "replaced")


def test_configured_stores_are_used(
    start_darkroom: StartDarkroom, tmp_path: Path, redis: Any, mongo: Any
) -> None:
    darkroom = start_darkroom(
        REDIS_URL=redis.url[:-1] + "15", MONGO_URL=mongo.url, MONGO_DB="given"
    )
    assert darkroom.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"
    assert {p.name for p in (darkroom.data_dir / "run").glob("*.pid")} == {
        "service.pid",
        "worker-0.pid",
    }


@pytest.mark.integration
def test_log_links_a_request_to_its_task(pair: StandaloneProcess, tmp_path: Path) -> None:
    upload = ("-H", "X-Request-ID: from-client", "-F", f"image=@{picture(tmp_path, 'linked.png')}")
    body = json.loads(pair.curl(*upload, f"{pair.url}/upscale?wait=30"))
    pair.get("/processed/nope.png")
    expected = {"request", "task_started", "task_finished"}

    def lines() -> list[dict[str, Any]]:
        text = (pair.data_dir.parent / "log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def of_task() -> list[dict[str, Any]]:
        return [line for line in lines() if line.get("task_id") == body["task_id"]]

    pair.until(lambda: {line["event"] for line in of_task()} >= expected, "logged")
    assert {line.get("program", str(line)) for line in lines()} == {"service", "worker"}
    requests = [line for line in of_task() if line["event"] == "request"]
    assert ("from-client", 200) in [(line["request_id"], line["status"]) for line in requests]
    assert all("request_id" in line for line in lines() if line["event"] in {"request", "refused"})
