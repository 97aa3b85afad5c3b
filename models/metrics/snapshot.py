"""Metric values of a process: collected, packed to travel from a worker to a service, as text.

A snapshot is zlib-compressed JSON: {name: [[labels, value], ...]}; the value of a histogram is
[[cumulative count of each bucket], sum]. A service validates all of it.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from pydantic import AfterValidator, Field, Strict, TypeAdapter

from models.metrics.definitions import METRICS
from models.metrics.instruments import Instruments
from models.metrics.metric import Metric, MetricKind, MetricSource

MAX_SNAPSHOT_BYTES = 1024 * 1024
"""Maximum size of an unpacked snapshot; a busy worker's has about 50 KB."""

_MAX_SERIES = 1000  # of one metric of one worker
_FROM_WORKERS = {m.name: m for m in METRICS if m.source in {MetricSource.WORKER, MetricSource.BOTH}}


def _printable(label: str) -> str:
    if not label.isprintable():  # surrogates are not
        raise ValueError("not a label")
    return label


_Label = Annotated[str, Strict(), Field(max_length=100), AfterValidator(_printable)]
_Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
_Count = Annotated[_Number, Field(ge=0)]


class HistogramValue(NamedTuple):
    """A histogram: cumulative counts by upper bound, the last one of all values, and the sum."""

    counts: tuple[_Count, ...]
    total: _Number


LabelValues = tuple[str, ...]
MetricValues = dict[Metric, dict[LabelValues, float | HistogramValue]]

_Series = Annotated[
    list[tuple[tuple[_Label, ...], _Number | HistogramValue]], Field(max_length=_MAX_SERIES)
]
_SERIES: TypeAdapter[_Series] = TypeAdapter(_Series)


def collect(instruments: Instruments, *, gauges: bool = True) -> MetricValues:
    """Return the current values of ``instruments``; optionally without gauges."""
    values: MetricValues = {}
    plain = {**instruments.counters, **(instruments.gauges if gauges else {})}
    for metric, instrument in plain.items():
        (family,) = instrument.collect()
        values[metric] = {tuple(each.labels.values()): each.value for each in family.samples}
    for metric, histogram in instruments.histograms.items():
        (family,) = histogram.collect()
        counts: dict[LabelValues, list[float]] = defaultdict(list)
        values[metric] = {}
        for sample in family.samples:  # of each series its buckets, then its sum
            labels = tuple(text for name, text in sample.labels.items() if name != "le")
            if sample.name.endswith("_bucket"):
                counts[labels].append(sample.value)
            elif sample.name.endswith("_sum"):
                values[metric][labels] = HistogramValue(tuple(counts[labels]), sample.value)
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
        except (ValueError, OverflowError):
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
    found = _SERIES.validate_python(entries)
    if not all(_fits(metric, value) for _, value in found):
        raise ValueError("not a value of this metric")
    return {metric.bounded(labels): value for labels, value in found}


def _fits(metric: Metric, value: float | HistogramValue) -> bool:
    if not isinstance(value, HistogramValue):
        return metric.kind is MetricKind.GAUGE or (metric.kind is MetricKind.COUNTER and value >= 0)
    complete = len(value.counts) == len(metric.buckets) + 1
    return (
        metric.kind is MetricKind.HISTOGRAM
        and complete
        and list(value.counts) == sorted(value.counts)
    )


class ProcessMetrics(NamedTuple):
    """Metric values of one process; ``worker`` is empty for the service and the stores."""

    worker: str
    values: MetricValues


def render(processes: Iterable[ProcessMetrics]) -> bytes:
    """Return the text; each metric occurs once, with the series of all ``processes``."""
    listed = list(processes)
    registry = CollectorRegistry()
    registry.register(_Families([_family(metric, listed) for metric in METRICS]))
    return generate_latest(registry)


class _Families:
    """The collector that prometheus_client expects."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families


def _family(metric: Metric, processes: list[ProcessMetrics]) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
    for process in processes:
        worker: LabelValues = (process.worker,) if metric.by_worker else ()
        for values, value in process.values.get(metric, {}).items():
            labels = dict(zip(metric.exposed_labels, (*worker, *values), strict=True))
            if isinstance(value, HistogramValue):
                _add_histogram(family, metric, labels, value)
            else:
                family.add_sample(metric.name, labels, value)
    return family


def _add_histogram(
    family: Family, metric: Metric, labels: dict[str, str], value: HistogramValue
) -> None:
    bounds = (*map(str, metric.buckets), "+Inf")
    for bound, count in zip(bounds, value.counts, strict=True):
        family.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
    family.add_sample(f"{metric.name}_count", labels, value.counts[-1])
    family.add_sample(f"{metric.name}_sum", labels, value.total)
