"""A child's standard error becomes values in the log, within limits."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

from models.errors import TaskTimeout, WorkerCrashed
from tests.workers.sandbox.test_sandbox import probe, started
from workers.child.fork_server import ForkServer
from workers.child.process import ChildProcess, ChildStartError, _log_record

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.sandbox_probe")


def lines(logs: Any) -> list[str]:
    return [entry["line"] for entry in logs if entry["event"] == "child_stderr"]


async def test_each_line_is_logged_as_a_value_with_the_task_id(tmp_path: Path) -> None:
    with structlog.testing.capture_logs([merge_contextvars]) as logs:
        async with started() as children:
            (pid,) = children.pids
            for number, text in enumerate(('{"event": "forged"}\n\n', "\x1b[2J\xff")):
                with bound_contextvars(task_id=str(number)):
                    await probe(children, tmp_path, "write stderr", text)
    assert lines(logs) == ['{"event": "forged"}', "\x1b[2J\xff"]
    entries = [entry for entry in logs if entry["event"] == "child_stderr"]
    assert entries[0]["pid"] == entries[1]["pid"] == pid
    assert entries[0]["task_id"] == "0"


@pytest.mark.parametrize("text", ["a", "a\n", "\n", "a" * 7 + "\n"])
async def test_flood_on_stderr_does_not_block_tasks(text: str, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as children:
            assert await probe(children, tmp_path, "flood stderr", text) == "done: None"
            assert await probe(children, tmp_path, "flood stderr", text) == "done: None"
    assert len(lines(logs)) <= 2 * 100 + 1
    assert max(map(len, lines(logs)), default=0) <= 500


@pytest.mark.parametrize("text", ["a", '{"progress": 0.5}\n'])
async def test_endless_message_ends_with_its_child(text: str, tmp_path: Path) -> None:
    """asyncio reports the end of a process only after its pipes were read to the end."""
    async with started(task_timeout=3) as children:
        with pytest.raises((WorkerCrashed, TaskTimeout)):
            await probe(children, tmp_path, "flood messages", text)
        children._timeout = 60
        assert await probe(children, tmp_path, "write stderr", "again") == "done: None"


async def test_last_line_of_a_crashed_child_is_logged(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as children:
            with pytest.raises(WorkerCrashed) as caught:
                await probe(children, tmp_path, "abort")
            assert lines(logs) == ["one of many"] * 100 + ["reason of the crash"]
    assert caught.value.facts == {"exit_status": -signal.SIGABRT}


async def test_reason_of_a_failed_start_is_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.nowhere")
    server = ForkServer(1_000_000, openvino=False)
    with pytest.raises(ChildStartError, match="does not start"):
        await ChildProcess.start(server, {})
    server.close()
    assert "No module named tests.nowhere" in capfd.readouterr().err


def test_log_records_are_truncated() -> None:
    facts = {"name" * 1000: "value" * 1000} | {f"more {number}": 1 for number in range(1000)}
    with structlog.testing.capture_logs() as logs:
        _log_record({"level": "info", "event": "event" * 1000, "facts": facts})
    (entry,) = logs
    assert len(entry) == 20 + 2
    assert max(map(len, entry)) <= 100 + len("child_")
    assert max(len(str(value)) for value in entry.values()) == 1000
