"""`make run` as users run it: processes, restarts, stops, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tests.chaos.oplog import OplogReader
from tests.support import images
from tests.support.standalone_process import StandaloneProcess
from tests.workers.queue.test_jobs import slow_picture

PROCESS_NAMES = ("redis", "mongo", "service", "worker-0")
StartDarkroom = Callable[..., StandaloneProcess]


def picture(folder: Path, name: str = "cat.png", data: bytes | None = None) -> Path:
    path = folder / name
    path.write_bytes(data or images.png())
    return path


def children_of(darkroom: StandaloneProcess) -> list[psutil.Process]:
    assert darkroom.process is not None
    return psutil.Process(darkroom.process.pid).children(recursive=True)


def test_the_session_of_the_readme(darkroom: StandaloneProcess, tmp_path: Path) -> None:
    path = picture(tmp_path, "session.png")
    head = darkroom.curl("-si", "-F", f"image=@{path}", f"{darkroom.url}/upscale")
    assert head.startswith("HTTP/1.1 202")
    task_id = json.loads(head.splitlines()[-1])["task_id"]
    assert f"Location: /tasks/{task_id}" in head
    done = json.loads(darkroom.curl(f"{darkroom.url}/tasks/{task_id}?wait=30"))
    assert (done["status"], done["url"]) == ("SUCCESS", "/processed/session-upscale-x2.png")
    darkroom.curl("-OJ", f"{darkroom.url}{done['url']}")
    saved = darkroom.data_dir.parent / "session-upscale-x2.png"
    assert images.decoded(saved.read_bytes()).size == (80, 60)


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


def test_every_shared_photograph(darkroom: StandaloneProcess, shared: Path) -> None:
    for path in sorted((shared / "images").iterdir()):
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


def test_killed_worker_only_delays_its_task(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    darkroom = start_darkroom()
    task_id = darkroom.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    darkroom.until(lambda: darkroom.task(task_id)["progress"] > 0, "started")
    old = darkroom.kill("worker-0")
    # Faster than LEASE_SECONDS = 10: the supervisor ends the lease.
    done = darkroom.task(task_id, wait=60)
    assert done["status"] == "SUCCESS"
    assert darkroom.pid("worker-0") != old
    assert b"re-enqueued 1 tasks" in darkroom.log.read_bytes()


def test_supervisor_reenqueues_the_tasks_of_a_dead_worker(
    start_darkroom: StartDarkroom, tmp_path: Path
) -> None:
    """Neither the lease nor the sweep can do it: both intervals are longer than the test."""
    darkroom = start_darkroom(WORKERS="2", SWEEP_INTERVAL_SECONDS="600", LEASE_SECONDS="600")
    data = images.png(1000, 1000)
    task_id = darkroom.upload(picture(tmp_path, data=data))["task_id"]
    darkroom.until(lambda: darkroom.task(task_id)["status"] == "STARTED", "started")
    oplog = OplogReader(darkroom)
    pid = int(oplog.tasks()[task_id]["lease"]["worker"].split(":")[-1])
    oplog.close()
    os.kill(pid, signal.SIGKILL)
    assert darkroom.task(task_id, wait=60)["status"] == "SUCCESS"
    assert f"re-enqueued 1 tasks of the dead worker {pid}" in darkroom.log.read_text()


def test_every_killed_process_is_restarted(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    darkroom = start_darkroom(WORKERS="2")
    before = darkroom.upload(picture(tmp_path, "before.png"), "?wait=30")
    names = (*PROCESS_NAMES, "worker-1")
    for name in names:
        running = {other: darkroom.pid(other) for other in names}
        old = darkroom.kill(name)
        darkroom.until(lambda n=name, o=old: darkroom.pid(n) != o, f"{name} restarted")
        darkroom.until(lambda: darkroom.get("/readyz")[0] == 200, f"ready after {name} died")
        others = {other: darkroom.pid(other) for other in names if other != name}
        assert others == {other: pid for other, pid in running.items() if other != name}
        path = picture(tmp_path, f"{name}.png", images.png(seed=len(name) + 100))
        assert darkroom.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert darkroom.get(before["url"])[0] == 200


def test_attempt_survives_a_redis_restart(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    darkroom = start_darkroom()
    worker = darkroom.pid("worker-0")
    task_id = darkroom.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    darkroom.until(lambda: darkroom.task(task_id)["progress"] > 0, "started")
    redis = darkroom.pid("redis")
    os.kill(redis, signal.SIGKILL)
    assert darkroom.task(task_id, wait=60)["status"] == "SUCCESS"
    oplog = OplogReader(darkroom)
    assert oplog.tasks()[task_id]["attempts"] == 1
    oplog.close()
    for seed in range(3):  # more than there are job slots: no slot was lost
        path = picture(tmp_path, f"after{seed}.png", images.png(seed=300 + seed))
        assert darkroom.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert darkroom.pid("worker-0") == worker
    assert darkroom.pid("redis") != redis


def test_deep_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a-folder-of-a-folder-in-a-folder" / ("deep" * 12) / ("deeper" * 12)
    folder.mkdir(parents=True)
    with StandaloneProcess(folder / "data") as darkroom:
        assert darkroom.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"


def test_killed_children_are_replaced(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    darkroom = start_darkroom()
    task_id = darkroom.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    darkroom.until(lambda: darkroom.task(task_id)["progress"] > 0, "started")
    for child in psutil.Process(darkroom.pid("worker-0")).children():
        child.send_signal(signal.SIGKILL)
    assert darkroom.task(task_id, wait=60)["status"] == "SUCCESS"


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


def test_other_port_and_more_processes(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    darkroom = start_darkroom(WORKERS="2", WORKER_PROCESSES="3")
    darkroom.until(lambda: json.loads(darkroom.get("/readyz")[1])["workers"] == 2, "two workers")
    for number in range(2):
        assert len(psutil.Process(darkroom.pid(f"worker-{number}")).children()) == 3
    assert darkroom.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"


def test_log_links_a_request_to_its_task(start_darkroom: StartDarkroom, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "darkroom.log"
    darkroom = start_darkroom(LOG_FILE=str(file))
    path = picture(tmp_path)
    upload = ("-H", "X-Request-ID: from-client", "-F", f"image=@{path}")
    body = json.loads(darkroom.curl(*upload, f"{darkroom.url}/upscale?wait=30"))
    darkroom.get("/processed/nope.png")
    darkroom.stop()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["program"] for line in lines} == {"service", "worker"}
    of_task = [line for line in lines if line.get("task_id") == body["task_id"]]
    assert {line["event"] for line in of_task} >= {"request", "task_started", "task_finished"}
    (request,) = [line for line in of_task if line["event"] == "request"]
    assert (request["request_id"], request["status"]) == ("from-client", 200)
    assert all("request_id" in line for line in lines if line["event"] in {"request", "refused"})
    (other,) = [line for line in lines if line.get("path") == "/processed/nope.png"]
    assert "task_id" not in other
