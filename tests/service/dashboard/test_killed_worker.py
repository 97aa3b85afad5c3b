"""The dashboard of a whole house: what a killed worker leaves, and the examples of its page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT
from tests.support.standalone_process import House
from tests.workers.queue.test_jobs import slow_picture

PAGE = (ROOT / "docs" / "dashboard.md").read_text()


def test_a_worker_that_is_killed_is_in_the_timeline(
    new_house: Callable[..., House], tmp_path: Path
) -> None:
    house = new_house(WORKER_PROCESSES="1", HISTORY_SECONDS="1")
    picture = tmp_path / "slow.png"
    picture.write_bytes(slow_picture())
    task_id = house.upload(picture)["task_id"]

    def task() -> Any:
        return json.loads(house.get(f"/dashboard/api/tasks/{task_id}")[1])

    house.until(lambda: task()["status"] == "STARTED", "started")
    first = task()["worker"]
    house.kill("worker-0")
    house.until(lambda: task()["status"] == "SUCCESS", "done", 240)
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
        found = json.loads(house.get("/dashboard/api/workers")[1])["workers"]
        return {each["name"]: each["state"] for each in found}

    house.until(lambda: workers().get(first) == "silent", "seen to be silent")
    assert workers()[done["worker"]] == "running"

    def noted() -> int:
        points = json.loads(house.get("/dashboard/api/history?minutes=5")[1])["points"]
        return sum(point["succeeded"] for point in points)

    house.until(lambda: noted() == 1, "noted")
    # What was noted is there after everything was restarted.
    house.stop()
    house.launch()
    house.until(lambda: house.get("/readyz")[0] == 200, "ready again")
    assert noted() == 1
    assert [e["what"] for e in task()["timeline"]][-1] == "finished"


def test_settings_and_routes_that_the_page_names_exist() -> None:
    from models.settings import Settings

    names = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE))
    assert names <= {name.upper() for name in Settings.model_fields}
    assert {"ADMIN_TOKEN", "HISTORY_SECONDS"} <= names
