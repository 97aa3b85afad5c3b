"""The definition of a metric: kind, source, labels and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CallObserver = Callable[[str, str, float], None]
"""Callback of a store after each call: name, ``ok`` or ``error``, seconds."""

OTHER = "other"
"""Label value for values outside a metric's list, so that clients cannot create series."""
ANY_VALUE: tuple[str, ...] = ()


class MetricKind(StrEnum):
    """Metric types of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricSource(StrEnum):
    """Where a metric comes from: each service, each worker, both, or a query of the stores."""

    SERVICE = "service"
    WORKER = "worker"
    BOTH = "service and worker"
    STORES = "stores"


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric; ``labels`` maps each label to its possible values.

    ``ANY_VALUE``: they are not listed, since only Darkroom's code sets them. ``buckets``: upper
    bounds of a histogram, in the unit that the name ends with.
    """

    name: str
    kind: MetricKind
    source: MetricSource
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()

    @property
    def by_worker(self) -> bool:
        """Whether its series have the label ``worker``, which is empty for services."""
        return self.source in {MetricSource.WORKER, MetricSource.BOTH}

    @property
    def exposed_labels(self) -> tuple[str, ...]:
        return (*(("worker",) if self.by_worker else ()), *self.labels)

    def bounded(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``labels`` with ``other`` in place of values that are not listed."""
        pairs = zip(self.labels.values(), labels, strict=True)
        return tuple(v if not known or v in known else OTHER for known, v in pairs)
