"""What a process counts with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from models.metrics.definitions import METRICS, STARTED_AT
from models.metrics.metric import Kind, Metric, Observe, Source


class Instruments:
    """The counters, gauges and histograms of one process; safe to use from any thread.

    Counters whose label values are known begin at 0, so that a first event is an increase.
    """

    def __init__(self, side: Source) -> None:
        mine = [metric for metric in METRICS if metric.source in {side, Source.BOTH}]
        of = {kind: [metric for metric in mine if metric.kind is kind] for kind in Kind}
        self.counters = {m: Counter(*_described(m), registry=None) for m in of[Kind.COUNTER]}
        self.gauges = {m: Gauge(*_described(m), registry=None) for m in of[Kind.GAUGE]}
        self.histograms = {
            m: Histogram(*_described(m), registry=None, buckets=m.buckets)
            for m in of[Kind.HISTOGRAM]
        }
        for metric, counter in self.counters.items():
            for values in product(*metric.labels.values()):
                counter.labels(*values)
        self.set(STARTED_AT, time.time())

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        """Add one, or ``by``."""
        counter = self.counters[metric]
        (counter.labels(*metric.bounded(labels)) if labels else counter).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        histogram = self.histograms[metric]
        (histogram.labels(*metric.bounded(labels)) if labels else histogram).observe(value)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        gauge = self.gauges[metric]
        (gauge.labels(*metric.bounded(labels)) if labels else gauge).set(value)

    def clock(self, metric: Metric) -> Observe:
        """Return what takes the times of calls as ``metric``."""

        def observe(call: str, outcome: str, seconds: float) -> None:
            self.observe(metric, seconds, call, outcome)

        return observe


def _described(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, tuple(metric.labels)


def worked(operations: Iterable[Mapping[str, Any]]) -> str:
    """Return the label ``operation`` of a task with these operations."""
    names = [str(operation["op"]) for operation in operations]
    return names[0] if len(names) == 1 else "pipeline"
