"""Alerts of the dashboard: what is wrong, critical first."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from models.store.tasks.queue_history import QueueStats
from models.store.tasks.search import TaskOutcomes
from service.dashboard.alerts import Snapshot, find_alerts
from service.dashboard.schemas import AlertCode
from tests.support.paths import ROOT


def health(**known: Any) -> Any:
    redis = {"up": True, "ms": 0.2, "used_bytes": 3_000_000, "max_bytes": 256_000_000}
    mongodb = {"up": True, "ms": 0.4, "members": None}
    return {"mongodb": mongodb, "redis": redis, "disks": [], **known}


def disk(place: str, free: int, size: int = 10_000) -> dict[str, Any]:
    megabytes = {"free_bytes": free * 1_000_000, "size_bytes": size * 1_000_000}
    return {"place": place, **megabytes, "kept_bytes": 100_000_000}


def snapshot(**known: Any) -> Snapshot:
    idle = QueueStats(
        waiting=0, oldest_seconds=0, running=0, expired_leases=0, longest_expired_seconds=0, total=0
    )
    worker = {"name": "a:1", "state": "running", "silent_seconds": 0.1}
    well: dict[str, Any] = {
        "stats": idle,
        "workers": [worker],
        "recent": TaskOutcomes(10, 0, 0, {}),
        "waiting_before": None,
        "health": health(),
    }
    return Snapshot(**{**well, **known})


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        ({}, []),
        ({"workers": []}, ["no_workers"]),
        ({"differing": ["png 1", "png 4"]}, ["settings_differ"]),
        (
            {"workers": [], "health": health(redis={"up": False})},
            ["no_workers", "redis_away"],
        ),
        (
            {"health": health(redis={"up": True, "used_bytes": 240, "max_bytes": 256})},
            ["redis_memory"],
        ),
        ({"health": health(redis={"up": True, "used_bytes": 240, "max_bytes": 0})}, []),
        ({"health": health(redis={"up": True, "used_bytes": None, "max_bytes": None})}, []),
        (
            {
                "health": health(
                    mongodb={"members": [{"name": "a", "state": "RECOVERING", "healthy": False}]}
                )
            },
            ["mongodb_member"],
        ),
        ({"health": health(disks=[disk("mongodb", 401), disk("spool", 4000)])}, []),
        (
            {"health": health(disks=[disk("mongodb", 399), disk("spool", 99, 20_000)])},
            ["spool_full", "disk_low"],
        ),
        # One disk for both is one alert.
        ({"health": health(disks=[disk("mongodb", 99), disk("spool", 98)])}, ["disk_full"]),
        ({"health": health(disks=[disk("spool", 99)])}, ["spool_full"]),
        ({"health": health(disks=[disk("spool", 399)])}, ["spool_low"]),
        (
            {"waiting_before": 0, "stats": QueueStats(20, 301, 1, 1, 7, 21)},
            ["waits_too_long", "queue_grows", "lease_over"],
        ),
        ({"waiting_before": 10, "stats": QueueStats(29, 1, 1, 0, 0, 30)}, []),
        ({"recent": TaskOutcomes(1, 2, 0, {"bad_image": 2})}, []),
        ({"recent": TaskOutcomes(1, 3, 0, {"bad_image": 2, "bad_output": 1})}, ["failures"]),
        ({"workers": [{"name": "a:1", "state": "silent", "silent_seconds": 9}]}, ["no_workers"]),
        (
            {
                "workers": [
                    {"name": "a:1", "state": "silent", "silent_seconds": 9},
                    {"name": "a:2", "state": "drained", "silent_seconds": 0},
                ]
            },
            ["all_drained", "worker_silent"],
        ),
    ],
)
def test_alerts(known: dict[str, Any], codes: list[str]) -> None:
    found = find_alerts(snapshot(**known))
    assert [alert["code"] for alert in found] == codes
    assert [a["level"] for a in found] == sorted(a["level"] for a in found)
    assert {alert["code"] for alert in found} <= {*get_args(AlertCode)}


def test_the_page_of_the_dashboard_says_what_to_do_about_each() -> None:
    page = (ROOT / "docs" / "dashboard.md").read_text()
    rows = page.partition("## What to do")[2].partition("\n## ")[0]
    assert [code for code in get_args(AlertCode) if f"`{code}`" not in rows] == []
