"""Beginnings of pipelines that others may share: found in the store, or kept there.

Kept is the picture after a costly operation (an upscale), without loss, under the fingerprint of
the original and the operations so far. Every other operation is done again in less time than a
picture takes to be encoded, stored, fetched and decoded (``python -m bench.intermediates``). What a
finished task published as PNG under that fingerprint is used as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from models.errors import BadParameter, OriginalGone, StoreUnavailable
from models.operations import Operation, fingerprint
from models.operations.steps import parts
from models.tasks.task import Status, Task
from workers.context import Worker
from workers.store_retry import patient

log = structlog.get_logger()


@dataclass(frozen=True)
class Prefix:
    """The first ``count`` operations of a pipeline; ``mark`` is their fingerprint."""

    count: int
    mark: str


def prefixes(worker: Worker, task: Task, operations: Sequence[Operation]) -> list[Prefix]:
    """Return the beginnings that are worth keeping, longest first."""
    found = []
    for count in range(len(operations) - 1, 0, -1):
        first = operations[:count]
        if first[-1].costly and parts(first) == 1:
            try:
                weights = [w for o in first if (w := o.weights(worker.catalogue)) is not None]
            except BadParameter:  # a network that this worker lacks: its child will say so
                continue
            writing = worker.settings.writing
            mark = fingerprint(
                task.original_sha256, first, "png", weights, writing, owner=task.owner
            )
            found.append(Prefix(count, mark))
    return found


@dataclass(frozen=True)
class Fetched:
    """How many operations the picture that was fetched has behind it, and what is noted of it."""

    skipped: int = 0
    notes: tuple[str, ...] = ()


async def fetch(
    worker: Worker,
    task: Task,
    operations: Sequence[Operation],
    path: Path,
    *,
    whole: bool = False,
) -> Fetched:
    """Write the best known beginning of the task, or its original, to ``path``.

    Where ``whole`` is true it is the original: what another task did was not measured for this
    one's report.
    """
    for prefix in () if whole else prefixes(worker, task, operations):
        try:
            notes = await _known(worker, prefix, path)
        except LookupError:  # it was deleted a moment ago
            continue
        if notes is not None:
            log.info("prefix_found", operations=prefix.count)
            return Fetched(prefix.count, tuple(notes))
    try:
        await patient(worker.store.originals.save)(task.original_id, path)
    except LookupError as error:
        # Else the same picture sent again would find what is left of it.
        await patient(worker.store.originals.condemn)(task.original_id)
        raise OriginalGone(
            "the picture that was sent is no longer there, or not whole; send it again"
        ) from error
    return Fetched()


@patient
async def _known(worker: Worker, prefix: Prefix, path: Path) -> list[str] | None:
    """Write the beginning to ``path`` and return its notes; None if it is not kept anywhere."""
    store = worker.store
    task = await store.tasks.get(prefix.mark[:32])
    same = task is not None and task.fingerprint == prefix.mark
    if same and task is not None and task.status is Status.SUCCESS and not task.lost:
        await store.results.save(task.results[0].file_id, path)
        return task.results[0].notes
    file_id = await store.intermediates.find(prefix.mark)
    if file_id is None:
        return None
    await store.intermediates.save(file_id, path)
    return list((await store.intermediates.metadata(file_id)).get("notes", ()))


def worth_keeping(
    worker: Worker, task: Task, operations: Sequence[Operation], skipped: int
) -> list[Prefix]:
    """Return the beginnings that are about to be computed and shall be kept."""
    if not worker.settings.intermediate_ttl:
        return []
    return [p for p in prefixes(worker, task, operations) if p.count > skipped]


async def keep(worker: Worker, prefix: Prefix, path: Path, notes: Sequence[str]) -> None:
    """Store the picture at ``path`` with its ``notes``; if the store is away it is not kept."""
    try:
        with path.open("rb") as file:
            metadata = {"key": prefix.mark, "notes": list(notes)}
            await worker.store.intermediates.put(file, f"{prefix.mark}.png", metadata)
    except StoreUnavailable as error:
        log.warning("prefix_not_kept", **error.document())
