"""Logs: one JSON object a line, with the ids of the request and its task."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import subprocess
import sys
from collections import Counter
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import pytest

from models.log_rate_limit import LINES, MAX_CAUSES, SECONDS, RateLimitedHandler
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration
BEGIN = (
    "from models.settings import Settings; from models.logging_setup import configure_logging\n"
    "import structlog, logging; configure_logging(Settings().monitoring, 'test')\n"
)


def run(program: str, **environment: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program],
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


def test_a_line_of_another_context_names_its_program() -> None:
    (line,) = run("import contextvars\ncontextvars.Context().run(structlog.get_logger().info, 'x')")
    assert line["program"] == "test"


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


def test_repeated_lines_of_one_cause_are_counted() -> None:
    """Refusals and faults in a loop are a few lines and a count; other lines all pass."""
    lines = run(
        "log = structlog.get_logger('x')\n"
        "for n in range(200):\n"
        "    with structlog.contextvars.bound_contextvars(request_id=str(n)):\n"
        "        log.info('refused', code='not_found')\n"
        "        log.info('request', status=404)\n"
        "        log.warning('odd', code='bad_image')\n"
        "        logging.getLogger('aiohttp.server').error('oops from %s', n)\n"
        "log.info('refused', code='bad_image')\n"
    )
    counts = Counter((line["event"].partition(" from")[0], line["level"]) for line in lines)
    assert counts == {
        ("request", "info"): 200,
        ("refused", "info"): LINES + 1,
        ("odd", "warning"): LINES,
        ("oops", "error"): LINES,
        **{("lines_dropped", level): 1 for level in ("info", "warning", "error")},
    }
    of = {line["of"]: line for line in lines if line["event"] == "lines_dropped"}
    assert {name: line["dropped"] for name, line in of.items()} == dict.fromkeys(
        ("refused", "odd", "oops from %s"), 200 - LINES
    )
    assert (of["odd"]["code"], of["odd"]["logger"], of["odd"]["program"]) == (
        "bad_image",
        "x",
        "test",
    )
    assert not any("request_id" in line for line in of.values())


def test_faults_of_different_kinds_do_not_hide_each_other() -> None:
    """An incident that a client was told is in the log, without its traceback in a flood."""
    lines = run(
        "def fail(error):\n"
        "    try: raise error\n"
        "    except Exception: structlog.get_logger().exception('bad', incident=str(error))\n"
        "for n in range(50): fail(KeyError(n))\n"
        "fail(ValueError('v'))"
    )
    assert len({line["incident"] for line in lines}) == len(lines) == 51
    traced = [line["exception"].splitlines()[-1] for line in lines if "exception" in line]
    assert traced == [*(f"KeyError: {n}" for n in range(LINES)), "ValueError: v"]


def test_windows_end_and_their_number_is_limited() -> None:
    output, now = BufferingHandler(10 * MAX_CAUSES), [0.0]
    handler = RateLimitedHandler([output], clock=lambda: now[0])
    written = output.buffer

    def warn(text: str, times: int = 1) -> None:
        for _ in range(times):
            handler.handle(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))

    warn("a", LINES + 3)
    now[0] = SECONDS
    warn("a")
    assert [record.msg for record in written] == ["a"] * LINES + ["lines_dropped", "a"]
    assert vars(written[LINES])["dropped"] == 3
    for number in range(3 * MAX_CAUSES):
        warn(str(number))
    assert len(handler._windows) == MAX_CAUSES


def test_settings_without_effect_are_named() -> None:
    (line,) = run("", KEY_CACHE_SECONDS="0", MAX_HEADERS="", PORT="80")
    assert (line["event"], line["level"]) == ("settings_without_effect", "warning")
    assert line["names"] == ["KEY_CACHE_SECONDS"]


def console(program: str, **environment: str) -> str:
    """Return what a terminal shows: stderr is a pseudo-terminal."""
    reading, writing = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", BEGIN + program],
            stderr=writing,
            check=True,
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", **environment},
        )
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb", closefd=True) as terminal:
        shown = b""
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while data := os.read(terminal.fileno(), 65536):
                shown += data
    return shown.decode().replace("\r\n", "\n")


HOSTILE = "a\\n{\\x1b[2J\\u202e\\x9bm\\u2028"


def test_a_terminal_gets_one_coloured_line_and_no_client_text_moves_it() -> None:
    shown = console(
        "log = structlog.get_logger('x')\n"
        f"log.info('request', path='{HOSTILE}', status=200, known=['{HOSTILE}'])\n"
        f"try: raise ValueError('{HOSTILE}')\n"
        "except ValueError: log.exception('bad')\n"
    )
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    first, second, *traceback = plain.splitlines()
    assert re.match(r"\d\d:\d\d:\d\d \[info +\] request ", first)
    assert "status=200" in first
    assert re.match(r"\d\d:\d\d:\d\d \[error +\] bad ", second)
    assert len(traceback) >= 4
    assert all(line.startswith("    | ") for line in traceback)
    assert not set(plain) & {"\x1b", "\u202e", "\x9b", "\u2028"}


@pytest.mark.parametrize(
    ("environment", "form"),
    [({}, "coloured"), ({"NO_COLOR": "1"}, "plain"), ({"LOG_FORMAT": "json"}, "json")],
)
def test_forms_of_a_terminal(environment: dict[str, str], form: str) -> None:
    shown = console("structlog.get_logger().info('listening', port=1)", **environment)
    assert ("\x1b[" in shown) == (form == "coloured")
    assert shown.startswith("{") == (form == "json")
    assert "listening" in shown


def test_console_without_a_terminal_has_no_colours() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{BEGIN}structlog.get_logger().info('listening', port=1)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LOG_FORMAT": "console"},
    )
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info +\] listening +port=1 .*\n", done.stderr)


def test_level() -> None:
    assert run("structlog.get_logger().info('x')", LOG_LEVEL="WARNING") == []


def test_log_file_rotates_with_several_processes(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "darkroom.log"
    code = (
        "from models.settings import Settings; from models.logging_setup import configure_logging\n"
        "import structlog; from models import logging_setup; logging_setup._FILE_BYTES = 50_000\n"
        "configure_logging(Settings().monitoring, 'test')\n"
        "for n in range(300): structlog.get_logger().info('line', number=n, filler='x' * 50)"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "LOG_FILE": str(file),
        "LOG_FORMAT": "console",  # of the terminal: the file has JSON always
    }
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = [path for path in file.parent.iterdir() if path.name.startswith("darkroom.log")]
    assert 3 < len(files) <= 6
    numbers = [
        json.loads(line)["number"] for path in files for line in path.read_text().splitlines()
    ]
    assert sorted(numbers) == sorted(list(range(300)) * 3)
    assert max(path.stat().st_size for path in files) < 52_000
