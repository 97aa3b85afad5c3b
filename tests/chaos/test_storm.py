"""A short storm with every kind of fault; CHAOS_SEED=<seed> repeats a failed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import schedule, storm
from tests.chaos.workload import submissions


@pytest.mark.timeout(600)  # a ceiling: on an idle machine it takes a minute
@pytest.mark.integration
def test_no_accepted_task_is_lost(tmp_path: Path) -> None:
    seed = storm.seed_from_environment()
    print(f"CHAOS_SEED={seed}")  # pytest shows it where the test fails
    report = storm.run(tmp_path, seconds=16, pause=1.2, count=42, seed=seed)
    print(report, *report.faults, sep="\n")
    if report.problems:
        print(*(file.read_text()[-10_000:] for file in tmp_path.glob("*.log")), sep="\n---\n")
    assert report.problems == []
    assert report.accepted > 42
    assert sum(report.done.values()) > 0


def test_seed_determines_faults_and_order_of_submissions() -> None:
    assert schedule.schedule(300, 2, 7) == schedule.schedule(300, 2, 7)
    assert schedule.schedule(300, 2, 7) != schedule.schedule(300, 2, 8)
    kinds = {(fault.action, fault.target) for fault in schedule.schedule(300, 2, 7)}
    assert len(kinds) == len(schedule.KINDS)
    assert submissions(40, 7) == submissions(40, 7) != submissions(40, 8)


def test_every_operation_is_submitted() -> None:
    from models.operations import OPERATIONS

    paths = {submission.path for submission in submissions(20, 1)}
    assert paths == {"/process", *(f"/{op}" for op in OPERATIONS)}
