"""The Markdown report of a soak, as docs/security.md shows it."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.soak.growth import GrowthRow
from bench.soak.load import KINDS
from bench.soak.records import Records
from models.settings.worker import usable_cores

_MB = 1_000_000


@dataclass(frozen=True)
class Report:
    """The findings of a soak; ``complaints`` are those that must not occur."""

    command: str
    seconds: float
    records: Records
    lines: list[GrowthRow]
    lost: int
    """Tasks that were accepted and are not in the ledger, or never ended."""
    entries: Mapping[str, int]
    endings: Mapping[str, int]
    health: list[float]
    throughput: tuple[float, float] | None
    """Acts a second that valid clients finished under attack and alone; None: not measured."""
    disk: tuple[int, int, int]
    """Bytes: the fewest that were free, MIN_FREE_DISK_BYTES, and those of the disk (0: shared)."""
    complaints: list[str]

    def __str__(self) -> str:
        return "\n".join([*self._summary(), "", *self._growth_table(), "", *self._response_table()])

    def _summary(self) -> list[str]:
        answers: Counter[str] = Counter()
        for each in self.records.responses.values():
            for status, count in each.items():
                answers[_status_class(status)] += count
        worst = max(self.health, default=0.0)
        late = statistics.quantiles(self.health, n=20)[-1] if len(self.health) > 1 else worst
        median = statistics.median(self.health or [0.0])
        stays = {name: count for name, count in self.entries.items() if count}
        seconds = [f"{each * 1000:.0f} ms" for each in (median, late, worst)]
        where = f"{usable_cores()} cores, this client included, Python {platform.python_version()}"
        records, promised = self.records, len(self.records.accepted)
        return [
            f"`{self.command}`, {datetime.now(UTC):%Y-%m-%d}, {where}:",
            "",
            f"- Answers and connections in {self.seconds:.0f} s of load: **{records.total}**.",
            f"- Statuses: {_counts_text(answers)}; faults of ours: **{records.fault_count}**.",
            f"- Tasks promised: **{promised}**, lost: **{self.lost}**.",
            f"- How all tasks ended: {_counts_text(self.endings)}.",
            f"- `/healthz`, asked meanwhile: {', '.join(seconds)} (median, 95 %, worst).",
            *self._throughput(),
            *self._disk(),
            f"- Entries that stay, by collection: {_counts_text(stays)}.",
        ]

    def _throughput(self) -> list[str]:
        if self.throughput is None:
            return []
        attacked, alone = self.throughput
        text = f"{attacked:.1f} acts a second under attack and {alone:.1f} alone"
        return [f"- Valid clients finished {text}: **{attacked / alone:.2f}** of it."]

    def _disk(self) -> list[str]:
        least, reserve, size = self.disk
        if not size:
            return []
        limit = f"at least {reserve // _MB} MB must"
        return [f"- Of a disk of {size // _MB} MB **{least // _MB} MB** stayed free; {limit}."]

    def _growth_table(self) -> list[str]:
        head = ("held", "at rest, first half", "most under load", "at rest, second half", "may be")
        return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(str, self.lines)]

    def _response_table(self) -> list[str]:
        rows = ["| act | answers |", "|---|---|"]
        for kind, acts in KINDS.items():
            for act in acts:
                rows.append(f"| {kind}: {act} | {_counts_text(self.records.responses[act])} |")
        return rows


def _status_class(status: str) -> str:
    """Return 2xx for 204; 503 stands for itself."""
    return f"{status[0]}xx" if status.isdigit() and status != "503" else status


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
