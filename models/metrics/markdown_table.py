"""The Markdown table of all metrics, as docs/metrics.md has it."""

from __future__ import annotations

from models.metrics.definitions import METRICS
from models.metrics.metric import ANY_VALUE, OTHER


def markdown_table() -> str:
    """Return the Markdown table of docs/metrics.md."""
    rows = ["| metric | kind | labels | measured by | |", "|---|---|---|---|---|"]
    for m in METRICS:
        labels = ", ".join(_label(name, m.labels.get(name, ANY_VALUE)) for name in m.exposed_labels)
        rows.append(f"| `{m.name}` | {m.kind} | {labels} | {m.source} | {m.help} |")
    return "\n".join(rows) + "\n"


def _label(name: str, values: tuple[str, ...]) -> str:
    """Return the label, with its values if there are at most ten."""
    few = [value for value in values if value != OTHER] if len(values) <= 10 else []
    return f"`{name}` ({', '.join(few)})" if few else f"`{name}`"
