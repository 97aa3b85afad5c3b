"""What a soak found, as docs/security.md shows it."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.soak.growth import Line
from bench.soak.load import KINDS
from bench.soak.records import Books
from models.settings import cores


@dataclass(frozen=True)
class Report:
    """What a soak found; ``complaints``: what must not be."""

    command: str
    seconds: float
    books: Books
    lines: list[Line]
    lost: int
    """Tasks that were promised and are not in the ledger, or never ended."""
    entries: Mapping[str, int]
    endings: Mapping[str, int]
    health: list[float]
    complaints: list[str]

    def __str__(self) -> str:
        return "\n".join([*self._summary(), "", *self._held(), "", *self._answers()])

    def _summary(self) -> list[str]:
        answers: Counter[str] = Counter()
        for each in self.books.answers.values():
            for status, count in each.items():
                answers[_class(status)] += count
        worst = max(self.health, default=0.0)
        late = statistics.quantiles(self.health, n=20)[-1] if len(self.health) > 1 else worst
        median = statistics.median(self.health or [0.0])
        stays = {name: count for name, count in self.entries.items() if count}
        seconds = [f"{each * 1000:.0f} ms" for each in (median, late, worst)]
        where = f"{cores()} cores, this program included, Python {platform.python_version()}"
        books, promised = self.books, len(self.books.promised)
        return [
            f"`{self.command}`, {datetime.now(UTC):%Y-%m-%d}, {where}:",
            "",
            f"- Answers and connections in {self.seconds:.0f} s of load: **{books.total}**.",
            f"- How they ended: {_counted(answers)}; faults of ours: **{books.fault_count}**.",
            f"- Tasks promised: **{promised}**, lost: **{self.lost}**.",
            f"- How all tasks ended: {_counted(self.endings)}.",
            f"- `/healthz`, asked meanwhile: {', '.join(seconds)} (median, 95 %, worst).",
            f"- Entries that stay, by collection: {_counted(stays)}.",
        ]

    def _held(self) -> list[str]:
        head = ("held", "at rest, first half", "most under load", "at rest, second half", "may be")
        return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(str, self.lines)]

    def _answers(self) -> list[str]:
        rows = ["| act | answers |", "|---|---|"]
        for kind, acts in KINDS.items():
            for act in acts:
                rows.append(f"| {kind}: {act} | {_counted(self.books.answers[act])} |")
        return rows


def _class(status: str) -> str:
    """Return 2xx for 204; a 503 is told apart."""
    return f"{status[0]}xx" if status.isdigit() and status != "503" else status


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
