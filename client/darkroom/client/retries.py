"""When a call is made again.

429 and 503 say with ``Retry-After`` when they may succeed. A lost connection is tried again after
pauses that double: the same submission twice is one task, so nothing is done twice.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from darkroom.client.errors import BadAnswer, Problem, Unreachable
from darkroom.client.steps import Answer, Call, Flow, Lost, Pause

DEFAULT_SECONDS = 120.0
"""Most seconds that the pauses of one call take together."""
_LOST_SECONDS = 20.0  # a service that is replaced or restarted answers again within this
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_BUSY = {429, 503}
_PROXY = {502, 504}  # of a proxy in front: whether the request arrived is not known


def send(make: Callable[[], Call], seconds: float = DEFAULT_SECONDS) -> Flow[Answer]:
    """Make a call, again if that may help; ``make`` is called for each try.

    Raises:
        Problem: the answer is an error. Unreachable: there is none. BadAnswer: it is a redirect.
    """
    paused, backoff = 0.0, _FIRST_PAUSE
    while True:
        call = make()
        outcome = yield call
        if isinstance(outcome, Answer):
            if outcome.status < 300:
                return outcome
            if outcome.status < 400:  # not followed: the key is for this address only
                where = outcome.headers.get("location", "nowhere")
                raise BadAnswer(f"{call.path} is redirected to {where!a}: use that address")
            failure: Exception = problem(outcome)
            if outcome.status not in _BUSY and not (outcome.status in _PROXY and call.repeatable):
                raise failure
            pause = retry_after(outcome)
            limit = seconds
        else:
            why = outcome.why if isinstance(outcome, Lost) else "no answer"
            failure = Unreachable(f"{call.method} {call.path}: {why}")
            if not call.repeatable:
                raise failure
            pause, limit = None, min(seconds, _LOST_SECONDS)
        if pause is None:
            pause, backoff = backoff, min(2 * backoff, _LONGEST_PAUSE)
        pause *= random.uniform(1, 1.1)  # many clients were sent away at the same moment
        if paused + pause > limit:
            raise failure
        paused += pause
        yield Pause(pause)


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of ``Retry-After``, which may be a date; None without a valid one."""
    given = answer.headers.get("retry-after", "").strip()
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def problem(answer: Answer) -> Problem:
    """Return the refusal in an answer; what a proxy says is one without a code."""
    document: object = None
    if answer.headers.get("content-type", "").partition(";")[0].endswith("json"):
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(answer.body)
    return Problem(
        document if isinstance(document, dict) else {},
        answer.status,
        retry_after(answer),
        answer.headers.get("x-request-id", ""),
    )
