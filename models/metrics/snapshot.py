"""The figures of one process at one moment, and how they travel from a worker to a service.

A snapshot is zlib over JSON: {name: [[labels, value], ...]}, the value of a histogram being
[[count of each bucket, cumulative], sum]. What is read back is believed in no point.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, NamedTuple

from models.metrics.definitions import METRICS
from models.metrics.instruments import Instruments
from models.metrics.metric import Kind, Metric, Source

MOST_BYTES = 1024 * 1024
"""Of a snapshot unpacked; one of a busy worker has some 50 KB."""

_MOST_SERIES = 1000  # of one metric of one worker
_LONGEST = 100  # characters of a label's value
_FROM_WORKERS = {m.name: m for m in METRICS if m.source in {Source.WORKER, Source.BOTH}}


class Buckets(NamedTuple):
    """A histogram: how many were at most as large as each bound, all of them last, and the sum."""

    counts: tuple[float, ...]
    total: float


Labels = tuple[str, ...]
Figures = dict[Metric, dict[Labels, float | Buckets]]


def read(instruments: Instruments, *, gauges: bool = True) -> Figures:
    """Return what ``instruments`` show now; without ``gauges`` only what counts on for ever."""
    figures: Figures = {}
    plain = {**instruments.counters, **(instruments.gauges if gauges else {})}
    for metric, made in plain.items():
        (family,) = made.collect()
        # prometheus_client also tells when each began; Prometheus notices resets without it.
        values = [s for s in family.samples if not s.name.endswith("_created")]
        figures[metric] = {tuple(sample.labels.values()): sample.value for sample in values}
    for metric, histogram in instruments.histograms.items():
        (family,) = histogram.collect()
        counts: dict[Labels, list[float]] = {}
        totals: dict[Labels, float] = {}
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name != "le")
            if sample.name.endswith("_bucket"):
                counts.setdefault(labels, []).append(sample.value)
            elif sample.name.endswith("_sum"):
                totals[labels] = sample.value
        figures[metric] = {k: Buckets(tuple(v), totals[k]) for k, v in counts.items()}
    return figures


def pack(figures: Figures) -> bytes:
    """Return ``figures`` as a snapshot."""
    document = {m.name: [[k, v] for k, v in series.items()] for m, series in figures.items()}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def unpack(snapshot: object) -> tuple[Figures, int]:
    """Return what is sound in ``snapshot``, and how many metrics in it are not.

    Metrics of unknown names are left out: the worker is of a newer version.
    """
    try:
        document = _document(snapshot)
    except (ValueError, TypeError, RecursionError, zlib.error):
        return {}, 1
    figures: Figures = {}
    refused = 0
    for name, metric in _FROM_WORKERS.items():
        if name not in document:
            continue
        try:
            figures[metric] = _series(metric, document[name])
        except (ValueError, TypeError, OverflowError):
            refused += 1
    return figures, refused


def _document(snapshot: object) -> dict[str, Any]:
    if not isinstance(snapshot, bytes):
        raise TypeError
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(snapshot, MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("too long, or cut")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError
    return document


def _series(metric: Metric, entries: object) -> dict[Labels, float | Buckets]:
    if not isinstance(entries, list) or len(entries) > _MOST_SERIES:
        raise TypeError
    series: dict[Labels, float | Buckets] = {}
    for entry in entries:
        labels, value = entry
        checked = _labels(metric, labels)
        if metric.kind is not Kind.HISTOGRAM:
            series[checked] = _number(value, metric.kind is Kind.COUNTER)
            continue
        counts, total = value
        if not isinstance(counts, list) or len(counts) != len(metric.buckets) + 1:
            raise ValueError("other buckets")
        numbers = tuple(_number(count, True) for count in counts)
        if list(numbers) != sorted(numbers):
            raise ValueError("not cumulative")
        series[checked] = Buckets(numbers, _number(total, False))
    return series


def _labels(metric: Metric, values: object) -> Labels:
    """Return ``values`` if they are what this metric's labels may be; no surrogate passes."""
    if not isinstance(values, list):
        raise TypeError
    for value in values:
        if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
            raise ValueError("no label")
    return metric.bounded(tuple(values))


def _number(value: object, counted: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    number = float(value)
    if not math.isfinite(number) or (counted and number < 0):
        raise ValueError("no figure")
    return number
