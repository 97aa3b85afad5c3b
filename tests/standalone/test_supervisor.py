"""`make run` as a user has it: processes, restarts, stops, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tests.chaos.oplog import Witness
from tests.support import images
from tests.support.standalone_process import House
from tests.workers.queue.test_jobs import slow_picture

PROGRAMS = ("redis", "mongo", "service", "worker-0")
NewHouse = Callable[..., House]


def picture(folder: Path, name: str = "cat.png", data: bytes | None = None) -> Path:
    path = folder / name
    path.write_bytes(data or images.png())
    return path


def children_of(house: House) -> list[psutil.Process]:
    assert house.process is not None
    return psutil.Process(house.process.pid).children(recursive=True)


def test_the_session_of_the_readme(house: House, tmp_path: Path) -> None:
    path = picture(tmp_path, "session.png")
    head = house.curl("-si", "-F", f"image=@{path}", f"{house.url}/upscale")
    assert head.startswith("HTTP/1.1 202")
    task_id = json.loads(head.splitlines()[-1])["task_id"]
    assert f"Location: /tasks/{task_id}" in head
    done = json.loads(house.curl(f"{house.url}/tasks/{task_id}?wait=30"))
    assert (done["status"], done["url"]) == ("SUCCESS", "/processed/session-upscale-x2.png")
    house.curl("-OJ", f"{house.url}{done['url']}")
    saved = house.data_dir.parent / "session-upscale-x2.png"
    assert images.decoded(saved.read_bytes()).size == (80, 60)


def test_straight_to_the_picture(house: House, tmp_path: Path) -> None:
    path, big = picture(tmp_path, "one.png"), tmp_path / "big.png"
    house.curl(
        "-L", "-F", f"image=@{path}", f"{house.url}/upscale?wait=30&redirect=1", "-o", str(big)
    )
    assert images.decoded(big.read_bytes()).size == (80, 60)


def test_the_real_photograph(house: House, tmp_path: Path, shared: Path) -> None:
    big = tmp_path / "big.png"
    lama = shared / "images" / "lama.png"
    done = house.upload(lama, "?wait=30")
    assert done["url"] == "/processed/lama-upscale-x2.png"
    house.curl(f"{house.url}{done['url']}", "-o", str(big))
    assert images.decoded(big.read_bytes()).size == (514, 600)


def test_every_kind_of_photograph_at_hand(house: House, shared: Path) -> None:
    for path in sorted((shared / "images").iterdir()):
        done = house.upload(path, "?wait=60")
        assert done["status"] == "SUCCESS", path
        with Image.open(path) as image:
            (result,) = done["results"]
            assert (result["width"], result["height"]) == (image.width * 2, image.height * 2)


def test_published_models_at_their_scales(house: House, tmp_path: Path, shared: Path) -> None:
    path = picture(tmp_path, "model.png")
    for model, scales in (
        ("FSRCNN", (2, 3, 4)),
        ("FSRCNN-small", (2, 3, 4)),
        ("ESPCN", (2, 3, 4)),
        ("LapSRN", (2, 4, 8)),
    ):
        for scale in scales:
            done = house.upload(path, "?wait=60", f"model={model}", f"scale={scale}")
            assert done["status"] == "SUCCESS"
            assert done["results"][0]["width"] == 40 * scale


def test_process_ids_are_on_disk(house: House) -> None:
    for name in PROGRAMS:
        command = " ".join(psutil.Process(house.pid(name)).cmdline())
        assert {"redis": "redis-server", "mongo": "mongod"}.get(name, "-m ") in command


def test_stores_listen_on_loopback_only(house: House) -> None:
    for name in ("redis", "mongo"):
        listening = psutil.Process(house.pid(name)).net_connections("tcp")
        addresses = {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN}
        assert addresses == {"127.0.0.1"}


def test_a_killed_worker_costs_seconds_not_the_task(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house()
    task_id = house.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    house.until(lambda: house.task(task_id)["progress"] > 0, "started")
    old = house.kill("worker-0")
    # The lease of LEASE_SECONDS = 10 is not waited for: the supervisor ends it.
    done = house.task(task_id, wait=60)
    assert done["status"] == "SUCCESS"
    assert house.pid("worker-0") != old
    assert b"handed on 1 tasks" in house.log.read_bytes()


def test_the_supervisor_rings_for_what_a_dead_worker_had(
    new_house: NewHouse, tmp_path: Path
) -> None:
    """Neither a lease nor a sweep is waited for: both are longer than the test may take."""
    house = new_house(WORKERS="2", SWEEP_SECONDS="600", LEASE_SECONDS="600")
    data = images.png(1000, 1000)
    task_id = house.upload(picture(tmp_path, data=data))["task_id"]
    house.until(lambda: house.task(task_id)["status"] == "STARTED", "started")
    witness = Witness(house)
    pid = int(witness.tasks()[task_id]["lease"]["worker"].split(":")[-1])
    witness.close()
    os.kill(pid, signal.SIGKILL)
    assert house.task(task_id, wait=60)["status"] == "SUCCESS"
    assert f"handed on 1 tasks of the dead worker {pid}" in house.log.read_text()


def test_every_program_that_dies_is_started_again(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house(WORKERS="2")
    before = house.upload(picture(tmp_path, "before.png"), "?wait=30")
    every = (*PROGRAMS, "worker-1")
    for name in every:
        running = {other: house.pid(other) for other in every}
        old = house.kill(name)
        house.until(lambda n=name, o=old: house.pid(n) != o, f"{name} restarted")
        house.until(lambda: house.get("/readyz")[0] == 200, f"ready after {name} died")
        others = {other: house.pid(other) for other in every if other != name}
        assert others == {other: pid for other, pid in running.items() if other != name}
        path = picture(tmp_path, f"{name}.png", images.png(seed=len(name) + 100))
        assert house.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert house.get(before["url"])[0] == 200


def test_an_attempt_outlives_redis(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house()
    worker = house.pid("worker-0")
    task_id = house.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    house.until(lambda: house.task(task_id)["progress"] > 0, "started")
    redis = house.pid("redis")
    os.kill(redis, signal.SIGKILL)
    assert house.task(task_id, wait=60)["status"] == "SUCCESS"
    witness = Witness(house)
    assert witness.tasks()[task_id]["attempts"] == 1
    witness.close()
    for seed in range(3):  # as many as there are places, and more: none was lost on the way
        path = picture(tmp_path, f"after{seed}.png", images.png(seed=300 + seed))
        assert house.upload(path, "?wait=60")["status"] == "SUCCESS"
    assert house.pid("worker-0") == worker
    assert house.pid("redis") != redis


def test_the_data_may_lie_deep(tmp_path: Path) -> None:
    folder = tmp_path / "a-folder-of-a-folder-in-a-folder" / ("deep" * 12) / ("deeper" * 12)
    folder.mkdir(parents=True)
    with House(folder / "data") as house:
        assert house.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"


def test_killed_children_are_replaced(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house()
    task_id = house.upload(picture(tmp_path, data=slow_picture()))["task_id"]
    house.until(lambda: house.task(task_id)["progress"] > 0, "started")
    for child in psutil.Process(house.pid("worker-0")).children():
        child.send_signal(signal.SIGKILL)
    assert house.task(task_id, wait=60)["status"] == "SUCCESS"


def test_given_stores_are_used_and_none_is_started(
    new_house: NewHouse, tmp_path: Path, redis: Any, mongo: Any
) -> None:
    house = new_house(REDIS_URL=redis.url[:-1] + "15", MONGO_URL=mongo.url, MONGO_DB="given")
    assert house.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"
    assert {p.name for p in (house.data_dir / "run").glob("*.pid")} == {
        "service.pid",
        "worker-0.pid",
    }


def test_other_port_and_more_processes(new_house: NewHouse, tmp_path: Path) -> None:
    house = new_house(WORKERS="2", WORKER_PROCESSES="3")
    house.until(lambda: json.loads(house.get("/readyz")[1])["workers"] == 2, "two workers")
    for number in range(2):
        assert len(psutil.Process(house.pid(f"worker-{number}")).children()) == 3
    assert house.upload(picture(tmp_path), "?wait=30")["status"] == "SUCCESS"


def test_the_log_leads_from_a_request_to_its_task(new_house: NewHouse, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "darkroom.log"
    house = new_house(LOG_FILE=str(file))
    path = picture(tmp_path)
    upload = ("-H", "X-Request-ID: from-client", "-F", f"image=@{path}")
    body = json.loads(house.curl(*upload, f"{house.url}/upscale?wait=30"))
    house.get("/processed/nope.png")
    house.stop()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["program"] for line in lines} == {"service", "worker"}
    of_task = [line for line in lines if line.get("task_id") == body["task_id"]]
    assert {line["event"] for line in of_task} >= {"request", "started", "finished"}
    (request,) = [line for line in of_task if line["event"] == "request"]
    assert (request["request_id"], request["status"]) == ("from-client", 200)
    assert all("request_id" in line for line in lines if line["event"] in {"request", "refused"})
    (other,) = [line for line in lines if line.get("path") == "/processed/nope.png"]
    assert "task_id" not in other
