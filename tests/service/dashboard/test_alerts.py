"""Alerts of the dashboard: what is wrong, critical first."""

from __future__ import annotations

from typing import Any

import pytest

from models.store.tasks.queue_history import QueueStats
from models.store.tasks.search import TaskOutcomes
from service.dashboard.alerts import Snapshot, find_alerts


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
        "redis_up": True,
    }
    return Snapshot(**{**well, **known})


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        ({}, []),
        ({"workers": []}, ["no_workers"]),
        ({"workers": [], "redis_up": False}, ["no_workers", "redis_away"]),
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
