"""Parse /metrics responses in tests, and run promtool."""

from __future__ import annotations

import subprocess

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.paths import program


class Scraped:
    """The samples of one /metrics response."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = list(text_string_to_metric_families(text))
        self.samples: list[Sample] = [s for family in families for s in family.samples]
        keys = [(s.name, *sorted(s.labels.items())) for s in self.samples]
        assert len(set(keys)) == len(keys), "a series occurs twice"
        assert len({family.name for family in families}) == len(families)

    def of(self, name: str, **labels: str) -> list[Sample]:
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def sum(self, name: str, **labels: str) -> float:
        return sum(sample.value for sample in self.of(name, **labels))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the sums other than 0 by the value of ``label``."""
        values = {sample.labels[label] for sample in self.of(name, **labels)}
        sums = {value: self.sum(name, **{**labels, label: value}) for value in values}
        return {value: total for value, total in sums.items() if total}


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool, which `make test` puts into the virtual environment."""
    return subprocess.run(
        [program("promtool"), *arguments], input=given, capture_output=True, text=True, check=False
    )
