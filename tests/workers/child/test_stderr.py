"""What a child writes to its standard error: values in the log, and not without end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

from models.errors import TaskTimeout, WorkerCrashed
from tests.workers.sandbox.test_sandbox import probe, started
from workers.child.process import ChildProcess, ChildStartError, _log_record


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.support.sandbox_probe")


def lines(said: Any) -> list[str]:
    return [each["line"] for each in said if each["event"] == "child_stderr"]


async def test_each_line_is_a_value_under_the_id_of_its_task(tmp_path: Path) -> None:
    with structlog.testing.capture_logs([merge_contextvars]) as said:
        async with started() as children:
            (pid,) = children.pids
            for number, text in enumerate(('{"event": "forged"}\n\n', "\x1b[2J\xff")):
                with bound_contextvars(task_id=str(number)):
                    await probe(children, tmp_path, "say", text)
    assert lines(said) == ['{"event": "forged"}', "\x1b[2J\xff"]
    found = [each for each in said if each["event"] == "child_stderr"]
    assert found[0]["pid"] == found[1]["pid"] == pid
    assert found[0]["task_id"] == "0"


@pytest.mark.parametrize("text", ["a", "a\n", "\n", "a" * 7 + "\n"])
async def test_a_flood_keeps_nobody_from_working(text: str, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as said:
        async with started() as children:
            assert await probe(children, tmp_path, "say much", text) == "done: None"
            assert await probe(children, tmp_path, "say much", text) == "done: None"
    assert len(lines(said)) <= 2 * 100 + 1
    assert max(map(len, lines(said)), default=0) <= 500


@pytest.mark.parametrize("text", ["a", '{"progress": 0.5}\n'])
async def test_an_answer_without_end_ends_with_its_child(text: str, tmp_path: Path) -> None:
    """asyncio tells of a process's end only when its pipes were read: nobody may wait for that."""
    async with started(task_timeout=3) as children:
        with pytest.raises((WorkerCrashed, TaskTimeout)):
            await probe(children, tmp_path, "answer much", text)
        assert await probe(children, tmp_path, "say", "again") == "done: None"


async def test_why_one_died_is_logged_after_whatever_it_said_before(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as said:
        async with started() as children:
            with pytest.raises(WorkerCrashed) as caught:
                await probe(children, tmp_path, "die")
            assert lines(said) == ["one of many"] * 100 + ["why it dies"]
    assert caught.value.facts == {"exit_status": -signal.SIGABRT}


async def test_why_one_does_not_start_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.nowhere")
    with structlog.testing.capture_logs() as said, pytest.raises(ChildStartError):
        await ChildProcess.start({})
    assert "No module named tests.nowhere" in lines(said)[-1]


def test_what_it_wants_logged_is_cut() -> None:
    facts = {"name" * 1000: "value" * 1000} | {f"more {number}": 1 for number in range(1000)}
    with structlog.testing.capture_logs() as said:
        _log_record({"level": "info", "event": "event" * 1000, "facts": facts})
    (found,) = said
    assert len(found) == 20 + 2
    assert max(map(len, found)) <= 100 + len("child_")
    assert max(len(str(value)) for value in found.values()) == 1000
