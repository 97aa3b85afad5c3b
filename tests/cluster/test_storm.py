"""A short storm of a cluster in namespaces; CHAOS_SEED=<seed> repeats a failed one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.chaos.storm import seed_from_environment
from tests.cluster import faults, namespaces
from tests.cluster.storm import Injected, Report


@pytest.mark.timeout(900)  # a ceiling: on an idle machine it takes half a minute
@pytest.mark.integration
def test_nothing_is_lost_when_machines_and_networks_fail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if obstacle := namespaces.obstacle():
        pytest.skip(obstacle)
    seed = seed_from_environment()
    status = namespaces.run(["faults", "--seconds", "0", "--seed", str(seed)], tmp_path)
    output = capfd.readouterr().out
    print(output)  # pytest shows it where the test fails
    assert status == 0
    quick = [kind.name for kind in faults.KINDS if kind.quick]
    assert all(f"| {name} | " in output for name in quick)
    (accepted,) = re.findall(r"^accepted: (\d+) tasks", output, re.MULTILINE)
    assert int(accepted) > 10


def test_seed_determines_faults() -> None:
    def first(seed: int) -> list[faults.Fault]:
        return list(itertools.islice(faults.endless(seed), len(faults.KINDS)))

    assert first(7) == first(7) != first(8)
    assert {fault.kind for fault in first(7)} == set(faults.KINDS)
    assert list(faults.quick(7)) == list(faults.quick(7)) != list(faults.quick(8))


def test_longest_time_without_an_accepted_upload() -> None:
    kind = faults.KINDS[0]
    fault = Injected(faults.Fault(kind, 5, 1), "m1", began=10, ended=15, whole=16)
    report = Report(faults=[fault], accepted_at=[9.5, 9.9, 11, 14.5, 15.5, 17])
    assert f"| {kind.name} | m1 | 5.0 | 1.0 | 3.5 |" in str(report)
    assert "nothing lost" in str(report)
    report.problems.append("lost: a task")
    assert "nothing lost" not in str(report)
