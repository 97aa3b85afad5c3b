"""The dashboard after a worker was killed, over the standalone processes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.standalone.test_supervisor import picture
from tests.support.fork_servers import children_of
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess

PAGE = (ROOT / "docs" / "dashboard.md").read_text()


def test_the_timeline_shows_a_killed_worker(
    start_darkroom: Callable[..., StandaloneProcess], tmp_path: Path
) -> None:
    darkroom = start_darkroom()
    darkroom.until(lambda: b'"worker_ready"' in darkroom.log.read_bytes(), "a worker")
    (child,) = children_of(psutil.Process(darkroom.pid("worker-0")))
    child.suspend()  # so that the task does not end before its worker is killed
    task_id = darkroom.upload(picture(tmp_path))["task_id"]

    def task() -> Any:
        return json.loads(darkroom.get(f"/dashboard/api/tasks/{task_id}")[1])

    darkroom.until(lambda: task()["status"] == "STARTED", "started")
    first = task()["worker"]
    darkroom.kill("worker-0")
    darkroom.until(lambda: task()["status"] == "SUCCESS", "done")
    done = task()
    assert [(e["what"], e["worker"], e["cause"]) for e in done["timeline"]] == [
        ("claimed", first, None),
        ("lease_expired", first, "worker_died"),
        ("claimed", done["worker"], None),
        ("finished", done["worker"], None),
    ]
    assert done["worker"] != first
    assert {"fetch", "decode", "upscale", "encode", "publish"} <= set(done["stages_ms"])

    def workers() -> dict[str, str]:
        found = json.loads(darkroom.get("/dashboard/api/workers")[1])["workers"]
        return {each["name"]: each["state"] for each in found}

    darkroom.until(lambda: workers().get(first) == "silent", "seen to be silent")
    assert workers()[done["worker"]] == "running"

    def noted() -> int:
        points = json.loads(darkroom.get("/dashboard/api/history?minutes=5")[1])["points"]
        return sum(point["succeeded"] for point in points)

    darkroom.until(lambda: noted() == 1, "noted")
    # The history survives a restart of the service; what MongoDB stores survives its own.
    before = darkroom.kill("service")
    darkroom.until(lambda: darkroom.pid("service") != before, "restarted")
    darkroom.until(lambda: darkroom.get("/readyz")[0] == 200, "ready again")
    assert noted() == 1
    assert [e["what"] for e in task()["timeline"]][-1] == "finished"


def test_settings_named_in_the_docs_exist() -> None:
    from models.settings import FIELDS

    names = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE))
    assert names <= {name.upper() for name in FIELDS}
    assert "MAX_QUEUE_PER_CLIENT" in names
