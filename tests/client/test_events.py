"""Server-sent events: lines, events, and streams that break."""

from __future__ import annotations

from typing import Any

import pytest
from darkroom.client import events
from darkroom.client.errors import BadAnswer, Unreachable
from darkroom.client.events import EventParser, LineSplitter, follow
from darkroom.client.steps import Answer, Emit, Line, Listen, Lost, Outcome, Pause, Step


def test_lines_end_at_line_feeds_only() -> None:
    splitter = LineSplitter()
    assert splitter.feed("a\r\nb\u2028c\x85d\n\nrest ä".encode()[:-1]) == ["a", "b\u2028c\x85d", ""]
    assert splitter.feed("ä".encode()[1:] + b"\n") == ["rest ä"]


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_LINE_BYTES", 10)
    splitter = LineSplitter()
    splitter.feed(b"0123456789")
    with pytest.raises(BadAnswer, match="more than 10 bytes"):
        splitter.feed(b"a")


def test_a_long_line_is_not_copied_for_each_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    splitter = LineSplitter()
    held = splitter._rest
    for _ in range(1000):
        splitter.feed(b"a" * 100)
    assert splitter._rest is held
    assert splitter.feed(b"b\nc") == ["a" * 100_000 + "b"]
    assert splitter.feed(b"\n") == ["c"]


def test_an_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_EVENT_CHARACTERS", 10)
    parser = EventParser()
    for line in ("data: abcd", "data:", "data: abc"):
        parser.feed(line)
    assert parser.feed("") is not None
    parser.feed("data: 0123456789"[:-1])
    with pytest.raises(BadAnswer, match="more than 10 characters"):
        parser.feed("data: a")


def test_hostile_fields_of_events_are_passed_over() -> None:
    parser = EventParser()
    for line in ("id: 1", "id: \u00e4", "id: a\tb", f"retry: {'9' * 5000}", "data: x"):
        assert parser.feed(line) is None
    assert parser.retry_seconds == 2
    event = parser.feed("")
    assert event is not None and event.id == "1"
    with pytest.raises(BadAnswer, match="not JSON"):
        drive([Answer(200, {}), Line("data: " + "[" * 100_000), Line("")])


def test_events() -> None:
    parser = EventParser()
    lines = [": ping", "retry: 500", "id: 1", "event: task", "data: a", "data:b", "odd", "", ""]
    found = [event for line in lines if (event := parser.feed(line))]
    assert [(each.name, each.data, each.id) for each in found] == [("task", "a\nb", "1")]
    assert parser.retry_seconds == 0.5
    parser.feed("retry: 86400000")
    assert parser.retry_seconds == 10


def state(number: int) -> list[Outcome]:
    return [Line(f"id: {number}"), Line("event: task"), Line(f'data: {{"n": {number}}}'), Line("")]


END: list[Outcome] = [Line("event: end"), Line("data: {}"), Line("")]


def drive(outcomes: list[Outcome]) -> tuple[list[Any], list[Step]]:
    """Follow a stream; return what was emitted and the other steps."""
    flow = follow("/tasks/1/events", {}, lambda document: document, 60)
    emitted: list[Any] = []
    steps: list[Step] = []
    outcome: Outcome = None
    waiting = iter(outcomes)
    try:
        while True:
            step = flow.send(outcome)
            if isinstance(step, Emit):
                emitted.append(step.value["n"])
            else:
                steps.append(step)
            outcome = None if isinstance(step, Emit | Pause) else next(waiting)
    except StopIteration:
        assert next(waiting, None) is None
        return emitted, steps


def test_a_stream_that_breaks_goes_on_after_the_last_event() -> None:
    opened = Answer(200, {})
    cut: list[Outcome] = [Line("event: task"), Line('data: {"n": 9}'), Lost("reset")]
    emitted, steps = drive([opened, *state(1), *cut, opened, *state(2), *END])
    assert emitted == [1, 2]  # the event that was cut off is not one
    first, second = (step.call for step in steps if isinstance(step, Listen))
    assert "Last-Event-ID" not in first.headers
    assert second.headers["Last-Event-ID"] == "1"
    assert [step.seconds for step in steps if isinstance(step, Pause)] == [2]


def test_nothing_more_to_say_is_the_end() -> None:
    assert drive([Answer(204, {})])[0] == []


def test_streams_without_an_event_are_given_up() -> None:
    with pytest.raises(Unreachable, match="5 streams"):
        drive([Answer(200, {}), Lost("closed")] * 5)


def test_an_event_that_is_not_json() -> None:
    with pytest.raises(BadAnswer, match="not JSON"):
        drive([Answer(200, {}), Line("data: <html>"), Line("")])
