"""Counters, gauges and histograms of one process, and the lag of its event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from models.metrics.definitions import EVENT_LOOP_LAG, METRICS, START_TIME
from models.metrics.metric import CallObserver, Metric, MetricKind, MetricSource

disable_created_metrics()  # type: ignore[no-untyped-call]  # resets show without them

_SLEEP_SECONDS = 0.5  # a shorter lag may fall between two measurements


class Instruments:
    """The instruments of one process; safe to use from any thread.

    Counters with known label values start at 0, so that the first increment shows as an increase.
    """

    def __init__(self, source: MetricSource) -> None:
        mine = [metric for metric in METRICS if metric.source in {source, MetricSource.BOTH}]
        of = {kind: [metric for metric in mine if metric.kind is kind] for kind in MetricKind}
        self.counters = {m: Counter(*_describe(m), registry=None) for m in of[MetricKind.COUNTER]}
        self.gauges = {m: Gauge(*_describe(m), registry=None) for m in of[MetricKind.GAUGE]}
        self.histograms = {
            m: Histogram(*_describe(m), registry=None, buckets=m.buckets)
            for m in of[MetricKind.HISTOGRAM]
        }
        for metric, counter in self.counters.items():
            for values in product(*metric.labels.values()):
                counter.labels(*values)
        self.set(START_TIME, time.time())

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        """Increase a counter by ``by``."""
        counter = self.counters[metric]
        (counter.labels(*metric.bounded(labels)) if labels else counter).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        histogram = self.histograms[metric]
        (histogram.labels(*metric.bounded(labels)) if labels else histogram).observe(value)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        gauge = self.gauges[metric]
        (gauge.labels(*metric.bounded(labels)) if labels else gauge).set(value)

    def call_observer(self, metric: Metric) -> CallObserver:
        """Return an observer that records durations of calls as ``metric``."""

        def observe(call: str, outcome: str, seconds: float) -> None:
            self.observe(metric, seconds, call, outcome)

        return observe


def _describe(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, tuple(metric.labels)


def operation_label(operations: Iterable[Mapping[str, Any]]) -> str:
    """Return the value of the label ``operation`` for a task with these operations."""
    names = [str(operation["op"]) for operation in operations]
    return names[0] if len(names) == 1 else "pipeline"


async def measure_lag(instruments: Instruments) -> None:
    """Sleep repeatedly and record how much longer it took, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _SLEEP_SECONDS
        await asyncio.sleep(_SLEEP_SECONDS)
        instruments.observe(EVENT_LOOP_LAG, max(0.0, loop.time() - due))
