"""Figures of many processes as one text in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family

from models.metrics.definitions import METRICS
from models.metrics.metric import Metric
from models.metrics.snapshot import Buckets, Figures, Labels


class Part(NamedTuple):
    """The figures of one process; ``worker`` is empty for the service and for the stores."""

    worker: str
    figures: Figures


def exposition(parts: Iterable[Part]) -> bytes:
    """Return the text; each metric stands in it once, with the series of all ``parts``."""
    given = list(parts)
    registry = CollectorRegistry()
    registry.register(_All([_family(metric, given) for metric in METRICS]))
    return generate_latest(registry)


class _All:
    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families


def _family(metric: Metric, parts: list[Part]) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
    for part in parts:
        ours: Labels = (part.worker,) if metric.by_worker else ()
        for values, value in part.figures.get(metric, {}).items():
            labels = dict(zip(metric.exposed_labels, (*ours, *values), strict=True))
            if isinstance(value, Buckets):
                _histogram(family, metric, labels, value)
            else:
                family.add_sample(metric.name, labels, value)
    return family


def _histogram(family: Family, metric: Metric, labels: dict[str, str], value: Buckets) -> None:
    bounds = (*map(str, metric.buckets), "+Inf")
    for bound, count in zip(bounds, value.counts, strict=True):
        family.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
    family.add_sample(f"{metric.name}_count", labels, value.counts[-1])
    family.add_sample(f"{metric.name}_sum", labels, value.total)
