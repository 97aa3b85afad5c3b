"""Durations counted in buckets, so that counts of several processes and minutes can be added."""

from __future__ import annotations

import math
from collections.abc import Mapping

BUCKET_GROWTH = 1.25
"""Upper bound of a bucket by that of the one before: a percentile is at most a quarter off."""
LAST_BUCKET = 80  # up to 16 hours
_FIRST_MS = 1.0  # upper bound of bucket 0


def bucket(seconds: float) -> int:
    """Return the bucket of a duration, 0 to LAST_BUCKET; the last one has all longer ones, too."""
    milliseconds = max(_FIRST_MS, seconds * 1000)
    return min(LAST_BUCKET, math.ceil(math.log(milliseconds, BUCKET_GROWTH)))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the duration in seconds that ``share`` (0 to 1) of all do not exceed; None of none.

    Within a bucket the durations are taken to be spread evenly by their logarithm.
    """
    total = sum(counts.values())
    rank, before = share * total, 0
    for number in sorted(counts):
        if counts[number] and before + counts[number] >= rank:
            inside = (rank - before) / counts[number]
            return float(BUCKET_GROWTH ** (number - 1 + inside)) * _FIRST_MS / 1000
        before += counts[number]
    return None
