"""Progress of a task between two reports of its child."""

from __future__ import annotations

import math

from models.tasks.queue_position import TRUSTED_PROGRESS

_LINEAR, _REST = 0.8, 0.1
"""Of a step: the first by the clock, the rest ever slower, until the child reports its end. A task
that takes much longer than predicted does not stand at 99 %, and its seconds left still change."""
_MAX_PERCENT = 99  # until the results are stored


class ProgressMeter:
    """Progress by the shares that a child reports, and by the clock in between.

    A tile of a large network, or the encoding of a large picture, takes seconds without a report.
    The child says to which share its step leads. The time that takes is estimated from the rate so
    far, at first from the predicted seconds of the task. Progress never goes back, and not past
    nine tenths of a step whose end has not been reported.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds``: predicted for all; 0: unknown."""
        self._seconds = seconds
        self._began: float | None = None
        self._share, self._until, self._at = 0.0, 0.0, 0.0
        self._shown = 0

    def report(self, share: float, until: float, now: float) -> None:
        """Note that ``share`` of the task is done at ``now``, and its step leads to ``until``.

        Shares: 0 to 1. ``now``: seconds of a monotonic clock.
        """
        if self._began is None:
            self._began = now
        self._share = max(share, self._share)
        self._until, self._at = max(until, self._share), now

    def percent(self, now: float) -> int:
        """Return the progress at ``now`` in whole percent, 0 to 99."""
        share = self._share + (self._until - self._share) * self._part_of_step(now)
        self._shown = max(self._shown, min(_MAX_PERCENT, int(100 * share)))
        return self._shown

    def _part_of_step(self, now: float) -> float:
        """Return the share of the step that is probably done."""
        if self._began is None:
            return 0.0
        spent = self._at - self._began
        rated = spent / self._share if self._share else 0.0
        trust = min(1.0, self._share / TRUSTED_PROGRESS) if self._seconds else 1.0
        whole = trust * rated + (1 - trust) * self._seconds
        step = whole * (self._until - self._share)
        if step <= 0:
            return 0.0
        part = (now - self._at) / step
        if part <= _LINEAR:
            return part
        return _LINEAR + _REST * (1 - math.exp(-(part - _LINEAR) / _REST))
