"""The units of deploy/systemd, checked by systemd itself; none is started here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.settings import Settings
from tests.support.paths import ROOT

UNITS = ROOT / "deploy" / "systemd"
NAMES = ("darkroom-all.service", "darkroom-web.service", "darkroom-worker@1.service")
MAX_EXPOSURE = 20  # tenths; measured 15
COMMON = (UNITS / "darkroom-.service.d" / "common.conf").read_text()


@pytest.fixture
def analyze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for unit in units.rglob("*"):
        if unit.is_file():
            here = unit.read_text().replace("/opt/darkroom/.venv/bin/python", sys.executable)
            unit.write_text(here.replace("/opt/darkroom", str(ROOT)))
    (units / "darkroom-worker@1.service").symlink_to("darkroom-worker@.service")
    monkeypatch.setenv("SYSTEMD_UNIT_PATH", f"{units}:")  # before the machine's own
    return [program, str(units)]


@pytest.mark.integration
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_valid_and_confined(name: str, analyze: list[str]) -> None:
    program, units = analyze
    unit = f"{units}/{name}"
    checked = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    limit = ("--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager")
    judged = subprocess.run(
        [program, "security", *limit, unit], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout[-300:]


def test_a_worker_has_time_to_drain() -> None:
    (seconds,) = (
        int(line.partition("=")[2])
        for line in COMMON.splitlines()
        if line.startswith("TimeoutStopSec=")
    )
    assert seconds > Settings().worker.drain_seconds + Settings().http.shutdown_timeout
