"""``python -m workers watch`` with real child processes: killed, stopped, and asked wrongly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support import images
from tests.support.command import run_main
from tests.support.paths import ROOT
from workers.__main__ import main

pytestmark = pytest.mark.integration

CHEAP = {"UPSCALE_ENGINE": "opencv", "WORKER_PROCESSES": "1"}
PICTURES = 15


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workers", "watch", "in", "out", "--operations", "flip"]
    return subprocess.Popen(
        [*command, *more],
        cwd=folder,
        env={**os.environ, **CHEAP, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fill(folder: Path) -> None:
    for number in range(PICTURES):
        path = folder / f"in/{number % 3}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.png(400, 300, number))
        os.utime(path, (1000, 1000))


@pytest.mark.timeout(120)
def test_a_killed_watcher_goes_on_where_it_was(tmp_path: Path) -> None:
    fill(tmp_path)
    first = start(tmp_path)
    assert first.stdout is not None
    lines = [first.stdout.readline() for _ in range(3)]
    first.kill()
    first.communicate(timeout=30)
    made = {line.split(" -> ")[1].strip() for line in lines}
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in made}
    for path in (tmp_path / "out").rglob("*.png"):
        assert images.decoded(path.read_bytes()).size == (400, 300)  # none is half there
    (tmp_path / "in/bad.png").write_bytes(b"\x89PNG\r\n")
    os.utime(tmp_path / "in/bad.png", (1000, 1000))

    second = start(tmp_path, "--once")
    out, err = second.communicate(timeout=100)
    assert second.returncode == 1 and "in/bad.png: " in err
    assert (tmp_path / "in/failed/bad.png").exists()
    results = sorted((tmp_path / "out").rglob("*"))
    assert sum(path.is_file() and path.suffix == ".png" for path in results) == PICTURES
    assert not [path for path in results if path.name.endswith(".part")]
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in made} == before
    assert not any(name in out for name in made)


@pytest.mark.timeout(60)
def test_sigterm_ends_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    running = start(tmp_path)
    assert running.stderr is not None
    assert "watching in; Ctrl-C ends it" in running.stderr.readline()
    busy = run_main(main, *("watch", str(tmp_path / "in"), str(tmp_path / "out")), *FLIP, **CHEAP)
    assert busy.returncode == 1 and "another watcher writes into" in busy.stderr
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert running.returncode == 0


FLIP = ("--operations", "flip")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none", "out", *FLIP), "none is not a folder"),
        (("in", "in", *FLIP), "OUT must be another folder than IN"),
        (("in", "out", *FLIP, "--failed", "in"), "--failed must be another folder than IN"),
        (("in", "out", *FLIP, "--failed", "out"), "--failed must be another folder than OUT"),
        (("in", "file", *FLIP), "file is not a folder"),
        (("in", "out", "--operations", "flop"), "unknown operation 'flop'"),
        (("in", "out", "--operations", *["split"] * 4), "256 results of each picture"),
        (("in", "out", "--operations", "convert=png", "--format", "webp"), "contradicts"),
        (("in", "out"), "--operations"),
    ],
)
def test_wrong_command_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("")
    done = partial(run_main, main, "watch")(*arguments)
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "out").exists()
