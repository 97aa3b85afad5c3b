"""When a call is made again: by Retry-After, after a lost connection, and not for ever."""

from __future__ import annotations

import itertools
import json
from email.utils import formatdate

import pytest
from darkroom.client.errors import BadAnswer, Problem, Unreachable
from darkroom.client.retries import problem, retry_after, send
from darkroom.client.steps import Answer, Call, Lost, Outcome, Pause, Step

BUSY = Answer(
    429,
    {"content-type": "application/problem+json", "retry-after": "7", "x-request-id": "ab"},
    json.dumps(
        {
            "type": "urn:darkroom:error:queue_full",
            "title": "Too Many Requests",
            "status": 429,
            "detail": "the queue is full",
            "code": "queue_full",
            "limit": 3,
        }
    ).encode(),
)
DONE = Answer(200, {}, b"{}")
GET = Call("GET", "/tasks/1")
POST = Call("POST", "/tasks/1/retry", repeatable=False)


def drive(
    call: Call, outcomes: list[Outcome], seconds: float, taken: list[Step] | None = None
) -> tuple[list[Step], Answer]:
    """Run a call whose steps have these outcomes, the last one again and again."""
    flow = send(lambda: call, seconds)
    steps: list[Step] = [] if taken is None else taken
    answers = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))
    outcome: Outcome = None
    try:
        while True:
            steps.append(flow.send(outcome))
            outcome = None if isinstance(steps[-1], Pause) else next(answers)
    except StopIteration as end:
        return steps, end.value


def pauses(steps: list[Step]) -> list[float]:
    return [step.seconds for step in steps if isinstance(step, Pause)]


def test_a_busy_service_is_asked_again_after_the_seconds_it_said() -> None:
    steps, answer = drive(GET, [BUSY, BUSY, DONE], 60)
    assert answer is DONE
    assert [7 <= each <= 7.7 for each in pauses(steps)] == [True, True]


def test_a_retry_after_beyond_the_bound_is_the_callers_to_wait() -> None:
    with pytest.raises(Problem) as caught:
        drive(GET, [BUSY], 6)
    error = caught.value
    assert (error.type, error.title) == ("urn:darkroom:error:queue_full", "Too Many Requests")
    assert (error.status, error.detail) == (429, "the queue is full")
    assert (error.code, error.members) == ("queue_full", {"limit": 3})
    assert (error.retry_after, error.request_id) == (7, "ab")


def test_pauses_end_together_at_the_bound() -> None:
    steps: list[Step] = []
    with pytest.raises(Problem):
        drive(GET, [BUSY], 30, steps)
    assert 21 <= sum(pauses(steps)) <= 30


def test_a_lost_connection_is_tried_again_with_growing_pauses() -> None:
    steps, answer = drive(GET, [Lost("refused"), Lost("refused"), DONE], 60)
    first, second = pauses(steps)
    assert answer is DONE and first < second
    with pytest.raises(Unreachable, match="GET /tasks/1: refused"):
        drive(GET, [Lost("refused")], 1000)


def test_what_may_have_arrived_is_sent_once() -> None:
    with pytest.raises(Unreachable, match="POST"):
        drive(POST, [Lost("reset"), DONE], 60)
    with pytest.raises(Problem):
        drive(POST, [Answer(502, {}), DONE], 60)
    assert drive(GET, [Answer(502, {}), DONE], 60)[1] is DONE
    assert drive(POST, [BUSY, DONE], 60)[1] is DONE  # it was refused, so it did not happen


def test_a_redirect_is_not_followed() -> None:
    moved = Answer(301, {"location": "https://elsewhere.example/tasks/1"})
    with pytest.raises(BadAnswer, match="redirected to 'https://elsewhere"):
        drive(GET, [moved], 60)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_other_refusals_are_final(status: int) -> None:
    with pytest.raises(Problem):
        drive(GET, [Answer(status, {}), DONE], 60)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after(Answer(503, {"retry-after": header})) == seconds


def test_retry_after_may_be_a_date() -> None:
    found = retry_after(Answer(503, {"retry-after": formatdate(4102444800, usegmt=True)}))
    assert found is not None and found > 10**9
    assert retry_after(Answer(503, {"retry-after": formatdate(0, usegmt=True)})) == 0


def test_an_answer_of_a_proxy_is_a_problem_without_a_code() -> None:
    html = problem(Answer(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>"))
    assert (html.status, html.code, html.type) == (502, "", "about:blank")
    cut = problem(Answer(503, {"content-type": "application/json"}, b'{"code": '))
    assert str(cut) == "the service answered with status 503"
