"""Percentiles of durations that are counted in buckets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.percentiles import BUCKET_GROWTH, LAST_BUCKET, bucket, percentile


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(0, 0), (-1, 0), (0.001, 0), (0.0011, 1), (0.00125, 1), (0.00126, 2), (1e9, LAST_BUCKET)],
)
def test_the_bucket_of_a_duration(seconds: float, number: int) -> None:
    assert bucket(seconds) == number


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_at_most_a_bucket_off(share: float) -> None:
    seconds = np.random.default_rng(3).lognormal(0, 2, 2000)
    found = percentile(Counter(map(bucket, seconds)), share)
    assert found is not None
    exact = float(np.quantile(seconds, share))
    assert 1 / BUCKET_GROWTH <= found / exact <= BUCKET_GROWTH


def test_percentiles_of_few_values() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({4: 0}, 0.5) is None
    (upper,) = {percentile({4: 1}, 1.0)}
    assert upper == pytest.approx(BUCKET_GROWTH**4 / 1000)
    # Of a hundred fast ones and one slow one, the slow one is beyond the 99th percentile.
    assert (percentile({2: 100, 60: 1}, 0.99) or 0) < 0.01
    assert (percentile({2: 100, 60: 1}, 1.0) or 0) > 100
