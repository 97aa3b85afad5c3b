"""A pytest plugin: processor time and waiting by file and by phase, child processes included.

``make times`` runs the whole suite with it and prints the table of docs/testing.md.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PHASES = ("setup", "call", "teardown")
_MIN_SECONDS_SHOWN = 3.0
_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Return the user and system time of this process and of all its descendants.

    A descendant that ended counts with the process that waited for it.
    """
    times: dict[int, float] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc(5): after the name in parentheses; the parent is field 4, times are 14 to 17.
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        times[pid] = sum(map(int, fields[11:15])) / _TICKS
        children[int(fields[1])].append(pid)
    total, left = 0.0, [os.getpid()]
    while left:
        pid = left.pop()
        total += times.get(pid, 0)
        left += children[pid]
    return total


class PhaseTimes:
    """Measures where tests run, and adds up where they are reported."""

    def __init__(self) -> None:
        self._measured: dict[str, float] = {}
        self._sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._last = processor_seconds()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = processor_seconds()
        report.user_properties = [("processor_seconds", now - self._last)]
        self._last = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = self._sums[report.nodeid.partition("::")[0]]
        row[report.when] += report.duration
        row[f"{report.when} cpu"] += float(str(dict(report.user_properties)["processor_seconds"]))
        row["tests"] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        rows = sorted(self._sums.items(), key=lambda item: -_cpu(item[1]))
        whole: dict[str, float] = defaultdict(float)
        for _, row in rows:
            for name, value in row.items():
                whole[name] += value
        shown = [(name, row) for name, row in rows if _cpu(row) >= _MIN_SECONDS_SHOWN]
        rest: dict[str, float] = {k: v - sum(r[k] for _, r in shown) for k, v in whole.items()}
        write = terminalreporter.write_line
        write(
            "| file | tests | CPU s: set-up | call | teardown | waits s: set-up | call | teardown |"
        )
        write("|---|---|---|---|---|---|---|---|")
        for name, row in [*shown, ("the other files", rest), ("all", whole)]:
            cpu = [row[f"{phase} cpu"] for phase in PHASES]
            waited = [max(0.0, row[phase] - row[f"{phase} cpu"]) for phase in PHASES]
            cells = " | ".join(f"{value:.1f}" for value in (*cpu, *waited))
            write(f"| {name.removeprefix('tests/')} | {row['tests']:.0f} | {cells} |")


def _cpu(row: dict[str, float]) -> float:
    return sum(row[f"{phase} cpu"] for phase in PHASES)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(PhaseTimes())
