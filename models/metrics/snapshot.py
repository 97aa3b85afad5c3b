"""Snapshots: metric values of one process, packed to travel from a worker to a service.

A snapshot is zlib-compressed JSON: {name: [[labels, value], ...]}; the value of a histogram is
[[cumulative count of each bucket], sum]. A service validates all of it.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, NamedTuple

from models.metrics.definitions import METRICS
from models.metrics.instruments import Instruments
from models.metrics.metric import Metric, MetricKind, MetricSource

MAX_SNAPSHOT_BYTES = 1024 * 1024
"""Maximum size of an unpacked snapshot; a busy worker's has about 50 KB."""

_MAX_SERIES = 1000  # of one metric of one worker
_MAX_LABEL_CHARACTERS = 100
_FROM_WORKERS = {m.name: m for m in METRICS if m.source in {MetricSource.WORKER, MetricSource.BOTH}}


class HistogramValue(NamedTuple):
    """A histogram: cumulative counts by upper bound, the last one of all values, and the sum."""

    counts: tuple[float, ...]
    total: float


LabelValues = tuple[str, ...]
MetricValues = dict[Metric, dict[LabelValues, float | HistogramValue]]


def collect(instruments: Instruments, *, gauges: bool = True) -> MetricValues:
    """Return the current values of ``instruments``; optionally without gauges."""
    values: MetricValues = {}
    plain = {**instruments.counters, **(instruments.gauges if gauges else {})}
    for metric, instrument in plain.items():
        (family,) = instrument.collect()
        # prometheus_client adds _created samples; Prometheus notices resets without them.
        samples = [s for s in family.samples if not s.name.endswith("_created")]
        values[metric] = {tuple(sample.labels.values()): sample.value for sample in samples}
    for metric, histogram in instruments.histograms.items():
        (family,) = histogram.collect()
        counts: dict[LabelValues, list[float]] = {}
        totals: dict[LabelValues, float] = {}
        for sample in family.samples:
            labels = tuple(text for name, text in sample.labels.items() if name != "le")
            if sample.name.endswith("_bucket"):
                counts.setdefault(labels, []).append(sample.value)
            elif sample.name.endswith("_sum"):
                totals[labels] = sample.value
        values[metric] = {k: HistogramValue(tuple(v), totals[k]) for k, v in counts.items()}
    return values


def pack(values: MetricValues) -> bytes:
    """Return ``values`` as a snapshot."""
    document = {m.name: [[k, v] for k, v in series.items()] for m, series in values.items()}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def unpack(snapshot: object) -> tuple[MetricValues, int]:
    """Return the valid metrics of ``snapshot``, and the number of invalid ones.

    Metrics with unknown names are ignored: the worker has a newer version.
    """
    try:
        document = _document(snapshot)
    except (ValueError, TypeError, RecursionError, zlib.error):
        return {}, 1
    values: MetricValues = {}
    rejected = 0
    for name, metric in _FROM_WORKERS.items():
        if name not in document:
            continue
        try:
            values[metric] = _series(metric, document[name])
        except (ValueError, TypeError, OverflowError):
            rejected += 1
    return values, rejected


def _document(snapshot: object) -> dict[str, Any]:
    if not isinstance(snapshot, bytes):
        raise TypeError
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(snapshot, MAX_SNAPSHOT_BYTES)
    if not unpacker.eof:
        raise ValueError("too long, or cut")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError
    return document


def _series(metric: Metric, entries: object) -> dict[LabelValues, float | HistogramValue]:
    if not isinstance(entries, list) or len(entries) > _MAX_SERIES:
        raise TypeError
    series: dict[LabelValues, float | HistogramValue] = {}
    for entry in entries:
        labels, value = entry
        checked = _labels(metric, labels)
        if metric.kind is not MetricKind.HISTOGRAM:
            series[checked] = _number(value, non_negative=metric.kind is MetricKind.COUNTER)
            continue
        counts, total = value
        if not isinstance(counts, list) or len(counts) != len(metric.buckets) + 1:
            raise ValueError("other buckets")
        numbers = tuple(_number(count, non_negative=True) for count in counts)
        if list(numbers) != sorted(numbers):
            raise ValueError("not cumulative")
        series[checked] = HistogramValue(numbers, _number(total, non_negative=False))
    return series


def _labels(metric: Metric, values: object) -> LabelValues:
    """Return ``values`` if they are valid labels of this metric; surrogates are not."""
    if not isinstance(values, list):
        raise TypeError
    for value in values:
        if (
            not isinstance(value, str)
            or len(value) > _MAX_LABEL_CHARACTERS
            or not value.isprintable()
        ):
            raise ValueError("not a label")
    return metric.bounded(tuple(values))


def _number(value: object, *, non_negative: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    number = float(value)
    if not math.isfinite(number) or (non_negative and number < 0):
        raise ValueError("not a metric value")
    return number
