"""/metrics of a real service with two real workers, compared with the tasks they ran."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from models.metrics.definitions import METRICS
from models.metrics.metric import MetricKind
from models.replica_set import embedded_mongo_url
from tests.support import images
from tests.support.fork_servers import children_of
from tests.support.paths import ROOT
from tests.support.prometheus_text import Scraped, promtool
from tests.support.standalone_process import StandaloneProcess
from tests.workers.queue.test_jobs import slow_picture

pytestmark = pytest.mark.integration

SETTINGS = {
    "WORKERS": "2",
    "MAX_ATTEMPTS": "2",
    "STORE_TIMEOUT": "2",
}


def scrape(darkroom: StandaloneProcess) -> Scraped:
    status, body = darkroom.get("/metrics")
    assert status == 200
    return Scraped(body.decode())


def scraped(darkroom: StandaloneProcess, true: Callable[[Scraped], Any], what: str) -> Scraped:
    """Scrape until ``true`` holds: workers send snapshots at intervals."""
    last: list[Scraped] = []

    def good() -> bool:
        last[:] = [scrape(darkroom)]
        return bool(true(last[0]))

    darkroom.until(good, what)
    return last[0]


def broken() -> bytes:
    """Return a PNG that passes the service's checks, but whose pixel data is corrupt."""
    whole = images.png(64, 64)
    at = whole.index(b"IDAT") + 4
    length = int.from_bytes(whole[at - 8 : at - 4], "big")
    good = images.chunk(b"IDAT", whole[at : at + length])
    return whole.replace(good, images.chunk(b"IDAT", bytes(length)))


def working_child(darkroom: StandaloneProcess, task_id: str, attempt: int = 1) -> psutil.Process:
    """Return the child process of the task once it computes, in this attempt."""
    begun = {"_id": task_id, "attempts": attempt, "progress": {"$gt": 0}}
    with MongoClient[dict[str, Any]](embedded_mongo_url(darkroom.data_dir)) as client:
        tasks = client["darkroom"]["tasks"]
        darkroom.until(lambda: tasks.find_one(begun), "started")
        task = tasks.find_one({"_id": task_id})
    assert task is not None
    worker = psutil.Process(int(task["lease"]["worker"].rpartition(":")[2]))
    (child,) = children_of(worker)
    return child


def send(darkroom: StandaloneProcess, data: bytes, path: str, *fields: str) -> Any:
    file = darkroom.data_dir.parent / "sent.png"
    file.write_bytes(data)
    extra = [part for field in fields for part in ("-F", field)]
    return json.loads(darkroom.curl("-F", f"image=@{file}", *extra, darkroom.url + path))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandaloneProcess, Scraped]]:
    """Darkroom after 4 successes, a broken image, a task that crashed twice, a cancelled one.

    And what it reported then: later tests kill its processes.
    """
    with StandaloneProcess(tmp_path_factory.mktemp("busy") / "data", **SETTINGS) as darkroom:
        for seed in range(3):
            assert send(darkroom, images.png(seed=seed), "/upscale?wait=30")["status"] == "SUCCESS"
        pipeline = ("operations=split", "operations=resize=2")
        done = send(darkroom, images.png(), "/process?wait=30", *pipeline)
        assert done["status"] == "SUCCESS", done
        assert send(darkroom, broken(), "/grayscale?wait=30")["error"]["code"] == "bad_image"
        crashing = send(darkroom, slow_picture(), "/upscale")["task_id"]
        working_child(darkroom, crashing).kill()
        working_child(darkroom, crashing, attempt=2).kill()
        assert darkroom.task(crashing, 60)["error"]["code"] == "worker_crashed"
        cancelled = send(darkroom, slow_picture(), "/upscale", "format=webp")["task_id"]
        working_child(darkroom, cancelled)
        darkroom.curl("-X", "DELETE", f"{darkroom.url}/tasks/{cancelled}")
        darkroom.get("/no/such?path=%3Cscript%3E")
        darkroom.curl("-X", "PROPFIND", f"{darkroom.url}/upscale")
        seen = scraped(
            darkroom,
            lambda s: (
                s.sum("darkroom_attempts_total") == 8
                and s.sum("darkroom_child_processes_replaced_total") == 3
                and s.sum("darkroom_queue_jobs") == s.sum("darkroom_tasks_running") == 0
                and s.sum("darkroom_child_processes", state="idle") == 2
                and len(s.by("worker", "darkroom_event_loop_lag_seconds_count")) == 3
                and s.sum("darkroom_request_duration_seconds_count", route="/metrics") >= 1
            ),
            "all snapshots received",
        )
        yield darkroom, seen


def test_tasks_attempts_and_failures_are_counted(
    busy: tuple[StandaloneProcess, Scraped],
) -> None:
    _, seen = busy
    by = seen.by
    assert by("status", "darkroom_tasks_total") == {"SUCCESS": 4, "FAILURE": 2, "CANCELLED": 1}
    assert by("operation", "darkroom_tasks_total", status="SUCCESS") == {
        "upscale": 3,
        "pipeline": 1,
    }
    assert by("operation", "darkroom_tasks_total", status="FAILURE") == {
        "upscale": 1,
        "grayscale": 1,
    }
    assert by("code", "darkroom_task_failures_total") == {
        "bad_image": 1,
        "worker_crashed": 1,
    }
    assert by("outcome", "darkroom_attempts_total") == {
        "success": 4,
        "failure": 2,
        "crashed": 1,
        "cancelled": 1,
    }
    assert by("cause", "darkroom_tasks_reenqueued_total") == {"crash": 1}
    assert by("cause", "darkroom_child_processes_replaced_total") == {"crashed": 2, "cancelled": 1}


def test_durations_are_observed_once_each(busy: tuple[StandaloneProcess, Scraped]) -> None:
    _, seen = busy
    assert seen.sum("darkroom_task_wait_seconds_count") == 7  # the second attempt did not wait
    assert seen.sum("darkroom_task_run_seconds_count") == 4
    assert seen.by("stage", "darkroom_stage_duration_seconds_count") == {
        "fetch": 8,
        "wait": 8,
        "work": 5,
        "publish": 4,
    }
    run, work = (
        seen.sum("darkroom_task_run_seconds_sum"),
        seen.sum("darkroom_stage_duration_seconds_sum", stage="work"),
    )
    assert 0 < work < run < 120
    lag = seen.by("worker", "darkroom_event_loop_lag_seconds_count")
    assert len(lag) == 3  # two workers and the service
    for command in ("find", "findAndModify", "insert", "update"):
        assert seen.sum("darkroom_mongodb_command_duration_seconds_count", command=command) > 0
    # A change stream waits a second for changes each time; its getMore must not be counted. All of
    # them waited far longer than 5 s; one of another cursor may, too, on a busy machine.
    duration = "darkroom_mongodb_command_duration_seconds"
    asked = seen.sum(f"{duration}_count", command="getMore")
    assert seen.sum(f"{duration}_sum", command="getMore") <= max(5, asked / 2)
    assert seen.sum("darkroom_redis_call_duration_seconds_count", call="enqueue") >= 7


def test_requests_are_labelled_by_route_template(
    busy: tuple[StandaloneProcess, Scraped],
) -> None:
    _, seen = busy
    name = "darkroom_request_duration_seconds_count"
    assert seen.sum(name, method="POST", route="/upscale", status="200") == 3
    assert seen.sum(name, method="POST", route="/upscale", status="202") == 2
    assert seen.sum(name, method="DELETE", route="/tasks/{id}", status="200") == 1
    assert seen.sum(name, method="GET", route="unknown", status="404") == 1
    assert seen.sum(name, method="other") == 1
    assert seen.sum(name, route="/metrics") >= 1
    assert "script" not in seen.text and "/no/such" not in seen.text and "PROPFIND" not in seen.text
    assert not re.search(r"[0-9a-f]{32}", seen.text)  # nor a task ID
    assert seen.sum("darkroom_requests_in_progress") == 1


def test_gauges_of_stores_and_machines(busy: tuple[StandaloneProcess, Scraped]) -> None:
    _, seen = busy
    assert seen.by("store", "darkroom_store_up") == {"mongodb": 1, "redis": 1}
    assert seen.sum("darkroom_workers") == 2
    for name in (
        *("tasks_waiting", "tasks_running", "oldest_waiting_task_seconds", "leases_expired"),
        *(
            "oldest_expired_lease_seconds",
            "snapshot_metrics_rejected",
            "queue_jobs",
            "tasks_waiting_for_memory",
        ),
    ):
        assert seen.of(f"darkroom_{name}"), name
        assert seen.sum(f"darkroom_{name}") == 0, name
    assert seen.sum("darkroom_tasks_stored") == 7
    assert seen.by("state", "darkroom_child_processes") == {"idle": 2}
    assert set(seen.by("place", "darkroom_disk_free_bytes")) == {"mongodb", "spool", "scratch"}
    ages = seen.by("worker", "darkroom_snapshot_age_seconds")
    # One worker may have made all attempts: tasks come one at a time, and the first one takes them.
    assert ages.keys() >= seen.by("worker", "darkroom_attempts_total").keys()
    assert len(ages) == 2
    started = [s.value for s in seen.of("darkroom_start_time_seconds")]
    assert len(started) == 3 and all(0 < time.time() - at < 3600 for at in started)


def test_promtool_accepts_the_scrape(busy: tuple[StandaloneProcess, Scraped]) -> None:
    done = promtool("check", "metrics", given=busy[1].text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_label_values_match_the_definitions(busy: tuple[StandaloneProcess, Scraped]) -> None:
    _, seen = busy
    for metric in METRICS:
        name = metric.name + ("_count" if metric.kind is MetricKind.HISTOGRAM else "")
        found = seen.of(name)
        assert found, name
        for sample in found:
            assert set(sample.labels) == set(metric.exposed_labels)
            for label, known in metric.labels.items():
                assert not known or sample.labels[label] in known, sample
                assert sample.labels[label] != "other" or not sample.value or label == "method"


def metric_names(path: str) -> set[str]:
    return set(re.findall(r"darkroom_[a-z0-9_]+", (ROOT / path).read_text()))


@pytest.mark.parametrize("path", ["docs/prometheus/alerts.yml", "docs/grafana/darkroom.json"])
def test_metrics_of_alerts_and_dashboard_exist(
    path: str, busy: tuple[StandaloneProcess, Scraped]
) -> None:
    assert metric_names(path)
    assert metric_names(path) <= {sample.name for sample in busy[1].samples}


def test_scrape_works_while_mongodb_is_frozen(busy: tuple[StandaloneProcess, Scraped]) -> None:
    darkroom, _ = busy
    mongod = darkroom.pid("mongo")
    os.kill(mongod, signal.SIGSTOP)
    try:
        for _ in range(3):  # each scrape returns; none waits for an earlier one
            seen = scrape(darkroom)
            assert [s.value for s in seen.of("darkroom_store_up", store="mongodb")] == [0]
            assert seen.by("store", "darkroom_store_up") == {"redis": 1}
            assert seen.sum("darkroom_request_duration_seconds_count") > 0
            assert not seen.of("darkroom_workers") and not seen.of("darkroom_tasks_waiting")
    finally:
        os.kill(mongod, signal.SIGCONT)
    scraped(darkroom, lambda s: s.sum("darkroom_store_up") == 2, "both stores back")
    scraped(darkroom, lambda s: s.sum("darkroom_workers") == 2, "both workers back")
    old = darkroom.kill("mongo")  # it may restart before a scrape sees it down
    darkroom.until(lambda: darkroom.pid("mongo") != old, "started again")
    scraped(darkroom, lambda s: s.sum("darkroom_store_up") == 2, "both stores up")


def test_killed_worker_keeps_its_counters_and_loses_its_gauges(
    busy: tuple[StandaloneProcess, Scraped],
) -> None:
    darkroom, before = busy
    total = "darkroom_tasks_total"
    names = {f"{os.uname().nodename}:{darkroom.pid(f'worker-{n}')}": f"worker-{n}" for n in (0, 1)}
    worked = max(names, key=lambda name: before.sum(total, worker=name))
    darkroom.kill(names[worked])

    def replaced(now: Scraped) -> bool:
        living = {s.labels["worker"] for s in now.of("darkroom_attempts_in_progress")}
        return len(living) == now.sum("darkroom_workers") == 2 and worked not in living

    now = scraped(darkroom, replaced, "killed worker replaced")
    assert now.sum(total, worker=worked) == before.sum(total, worker=worked) > 0
    assert now.by("status", total) == before.by("status", total)
    assert len({s.labels["worker"] for s in now.of("darkroom_attempts_total")}) == 3
