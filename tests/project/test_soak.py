"""A short soak: hostile and valid load leaks nothing and causes no server fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.__main__ import BEGIN, END, write_into
from bench.soak.growth import compare
from bench.soak.load import KINDS
from bench.soak.records import Records
from bench.soak.report import Report
from bench.soak.run import soak
from tests.support.paths import ROOT

_SLOW_TO_SETTLE = ("memory", "threads")
"""Figures that settle only after minutes; bench.soak judges them then."""
_CHANGES = {
    "WORKER_PROCESSES": "1",
    "UPSCALE_ENGINE": "opencv",
    "RESULT_TTL": "2",
    "DELETE_GRACE_SECONDS": "3",
}
"""Less to start, and less to wait for at rest."""


@pytest.mark.timeout(900)
@pytest.mark.integration
async def test_short_soak_leaks_nothing_and_has_no_faults() -> None:
    # No random acts: what one kind of act leaks five times is more than growth.py allows.
    report = await soak(0, 12, "test", "tests/project/test_soak.py", _CHANGES, least=5)
    print(report)
    late = [f"{line.what}: " for line in report.lines if line.what.endswith(_SLOW_TO_SETTLE)]
    complaints = [
        each
        for each in report.complaints
        if not each.startswith((*late, "the log ends with")) or report.records.fault_count
    ]
    assert not complaints, "\n".join([*complaints, str(report)])
    assert report.records.fault_count == report.lost == 0
    least_free, reserve, size = report.disk
    assert least_free >= reserve or not size
    assert len(report.records.accepted) > 20
    assert report.endings["SUCCESS"] > 10
    for acts in KINDS.values():
        for act in acts:
            if act not in {"delete a result", "a hostile range"}:  # there may be none yet
                assert report.records.responses[act].total() > 0, act


def test_growth_is_found() -> None:
    rest = {"service: handles": 30, "service: memory": 100_000_000, "MongoDB: results.files": 0}
    assert not any(line.grew for line in compare(rest, {}, rest))
    for what, more in {
        "service: handles": 35,
        "service: memory": 111_000_000,
        "MongoDB: results.files": 1,
        "another process: handles": 5,
    }.items():
        (grew,) = [line for line in compare(rest, {}, {**rest, what: more}) if line.grew]
        assert grew.what == what
        assert "**grew**" in str(grew)


def test_503_is_a_fault_unless_a_hostile_act_is_told_when_to_retry() -> None:
    records = Records({"valid act"})
    records.record("act", 503, {"Retry-After": "1"})
    records.record("act", 404, {})
    assert records.fault_count == 0
    records.record("valid act", 503, {"Retry-After": "1"})
    assert records.fault_count == 1
    records.record("act", 503, {})
    records.record("act", 500, {"Retry-After": "1"})
    assert records.fault_count == 3


def test_report_is_written_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    write_into(
        page,
        str(Report("run", 1.0, Records(), [], 0, {}, {}, [0.1, 0.2], (3.0, 4.0), (0, 0, 0), [])),
    )
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n`run`, ")
    assert text.endswith(f"{END}\nafter\n")
    assert "stale" not in text
    security = (ROOT / "docs" / "security.md").read_text()
    assert security.index(BEGIN) < security.index(END)
