"""A short storm of every kind of harm; CHAOS_SEED=<seed> has a failed one again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import schedule, storm
from tests.chaos.workload import submissions


@pytest.mark.timeout(600)  # a ceiling: undisturbed by others it takes a minute
def test_whatever_dies_every_promise_is_kept(tmp_path: Path) -> None:
    seed = storm.seed_given()
    print(f"CHAOS_SEED={seed}")  # pytest shows it where the test fails
    report = storm.run(tmp_path, seconds=22, pause=1.5, count=120, seed=seed)
    print(report, *report.harms, sep="\n")
    if report.complaints:
        print(*(file.read_text()[-10_000:] for file in tmp_path.glob("*.log")), sep="\n---\n")
    assert report.complaints == []
    assert report.promised > 120
    assert sum(report.done.values()) > 0


def test_a_seed_decides_what_is_harmed_and_in_which_order_is_submitted() -> None:
    assert schedule.schedule(300, 2, 7) == schedule.schedule(300, 2, 7)
    assert schedule.schedule(300, 2, 7) != schedule.schedule(300, 2, 8)
    kinds = {(harm.what, harm.who) for harm in schedule.schedule(300, 2, 7)}
    assert len(kinds) == len(schedule.KINDS)
    assert submissions(40, 7) == submissions(40, 7) != submissions(40, 8)


def test_every_operation_is_submitted() -> None:
    from models.operations import OPERATIONS

    paths = {submission.path for submission in submissions(20, 1)}
    assert paths == {"/process", *(f"/{op}" for op in OPERATIONS)}
