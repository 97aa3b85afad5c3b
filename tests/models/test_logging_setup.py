"""Logs: one JSON object a line, with the ids of the request and its task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.integration


def run(program: str, **environment: str) -> list[dict[str, Any]]:
    begin = (
        "from models.settings import Settings; from models.logging_setup import configure_logging\n"
    )
    begin += "import structlog, logging; configure_logging(Settings().monitoring, 'test')\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_lines_are_json_with_context() -> None:
    (line,) = run(
        "with structlog.contextvars.bound_contextvars(request_id='r', task_id='t'):\n"
        "    structlog.get_logger('x').info('received', bytes=3)"
    )
    assert {
        k: line[k] for k in ("event", "request_id", "task_id", "bytes", "level", "program")
    } == {
        "event": "received",
        "request_id": "r",
        "task_id": "t",
        "bytes": 3,
        "level": "info",
        "program": "test",
    }
    assert line["timestamp"].endswith("Z")


def test_client_text_cannot_forge_a_line() -> None:
    (line,) = run("structlog.get_logger().info('x', name='a\\n{\"event\": \"forged\"}')")
    assert line["name"] == 'a\n{"event": "forged"}'


def test_libraries_log_json_and_errors_have_a_traceback() -> None:
    lines = run(
        "logging.getLogger('aiohttp.server').error('oops')\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: structlog.get_logger().exception('bad', incident='i')"
    )
    assert lines[0]["event"] == "oops"
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert lines[1]["incident"] == "i"


def test_settings_without_effect_are_named() -> None:
    (line,) = run("", KEY_CACHE_SECONDS="0", MAX_HEADERS="", PORT="80")
    assert (line["event"], line["level"]) == ("settings_without_effect", "warning")
    assert line["names"] == ["KEY_CACHE_SECONDS"]


def test_level() -> None:
    assert run("structlog.get_logger().info('x')", LOG_LEVEL="WARNING") == []


def test_log_file_rotates_with_several_processes(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "darkroom.log"
    code = (
        "from models.settings import Settings; from models.logging_setup import configure_logging\n"
        "import structlog; configure_logging(Settings().monitoring, 'test')\n"
        "for n in range(300): structlog.get_logger().info('line', number=n, filler='x' * 50)"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "LOG_FILE": str(file),
        "LOG_FILE_BYTES": "20000",
        "LOG_FILE_COUNT": "50",
    }
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = [path for path in file.parent.iterdir() if path.name.startswith("darkroom.log")]
    assert len(files) > 3
    numbers = [
        json.loads(line)["number"] for path in files for line in path.read_text().splitlines()
    ]
    assert sorted(numbers) == sorted(list(range(300)) * 3)
    assert max(path.stat().st_size for path in files) < 22_000
