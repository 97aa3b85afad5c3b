"""Metrics of many processes in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family

from models.metrics.definitions import METRICS
from models.metrics.metric import Metric
from models.metrics.snapshot import HistogramValue, LabelValues, MetricValues


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
