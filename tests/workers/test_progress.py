"""Progress between two reports of a child: by the clock, never back, never past its step."""

from __future__ import annotations

import itertools

from workers.progress import ProgressMeter


def test_by_the_predicted_seconds_at_first() -> None:
    meter = ProgressMeter(50.0)
    assert meter.percent(7.0) == 0  # nothing was reported
    meter.report(0.0, 1.0, 100.0)
    shown = [meter.percent(100.0 + second) for second in range(60)]
    assert shown[:5] == [0, 2, 4, 6, 8]
    assert shown == sorted(shown)
    # It goes on, slower, when the work takes longer than was predicted.
    assert shown[40] == 80 < shown[50] < shown[59] < 90


def test_a_long_step_moves_every_second() -> None:
    meter = ProgressMeter(60.0)
    meter.report(0.0, 0.1, 0.0)
    meter.report(0.1, 0.9, 6.0)
    shown = [meter.percent(6.0 + second) for second in range(40)]
    assert all(later > before for before, later in itertools.pairwise(shown))


def test_never_past_the_end_of_a_step() -> None:
    meter = ProgressMeter(1.0)  # predicted far too short
    meter.report(0.0, 0.0, 0.0)
    meter.report(0.2, 0.3, 10.0)
    assert meter.percent(10.0) == 20
    assert 25 <= meter.percent(12.5) < meter.percent(1e6) < 30


def test_by_the_rate_so_far() -> None:
    meter = ProgressMeter(1000.0)
    meter.report(0.0, 0.5, 0.0)
    meter.report(0.5, 1.0, 10.0)  # half in ten seconds: the prediction was wrong
    assert meter.percent(14.0) == 70
    assert ProgressMeter(0.0).percent(1.0) == 0


def test_never_back() -> None:
    meter = ProgressMeter(10.0)
    meter.report(0.0, 1.0, 0.0)
    before = meter.percent(8.0)
    meter.report(0.3, 0.4, 8.1)  # an upscale is slower than the clock thought
    assert meter.percent(8.1) == before
    meter.report(0.1, 0.2, 8.2)  # it starts again with another engine
    assert meter.percent(8.3) == before
    meter.report(1.0, 1.0, 9.0)
    assert meter.percent(99.0) == 99  # the results are not stored yet
