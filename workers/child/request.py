"""What a worker asks of a child, in one line of JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.images.inspect import Format


@dataclass(frozen=True)
class Request:
    """One task's pixels: where they lie, what is done to them, where the results go.

    ``own``: ``source`` was written by a worker, so it is held to the limit of results, not to that
    of uploads. ``notes``: what was said of it before. ``keep``: see ``workers.pipeline``.
    ``memory``: bytes predicted for it, None: no limit. ``threads``: for one operation. ``results``:
    how many the operations make.
    """

    source: str
    folder: str
    operations: Sequence[Mapping[str, Any]]
    format: Format
    quality: int | None = None
    own: bool = False
    notes: Sequence[str] = ()
    keep: Collection[int] = ()
    report: bool = False
    memory: int | None = None
    threads: int = 1
    results: int = 1
