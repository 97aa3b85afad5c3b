"""What a metric is: its kind, who measures it, its labels and what values they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Observe = Callable[[str, str, float], None]
"""What a store calls after each call: its name, ``ok`` or ``error``, and seconds."""

OTHER = "other"
"""Label value of whatever is not in a metric's list: no client can invent a series."""
OPEN: tuple[str, ...] = ()


class Kind(StrEnum):
    """The kinds of Prometheus that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Who measures: each service its own, each worker its own, both, or the stores when asked."""

    SERVICE = "service"
    WORKER = "worker"
    BOTH = "service and worker"
    STORES = "stores"


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric; ``labels`` maps each label to the values it takes (``OPEN``: those of our code).

    ``buckets``: upper bounds of a histogram, in the unit the name ends with.
    """

    name: str
    kind: Kind
    source: Source
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()

    @property
    def by_worker(self) -> bool:
        """Whether its series carry the label ``worker``, which is empty for the service's own."""
        return self.source in {Source.WORKER, Source.BOTH}

    @property
    def exposed_labels(self) -> tuple[str, ...]:
        return (*(("worker",) if self.by_worker else ()), *self.labels)

    def bounded(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``labels`` with ``other`` for values that are not in the lists."""
        pairs = zip(self.labels.values(), labels, strict=True)
        return tuple(v if not known or v in known else OTHER for known, v in pairs)
