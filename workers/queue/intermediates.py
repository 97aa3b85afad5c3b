"""Reuse intermediate results: pipelines with the same beginning compute it once.

Stored is the image after a costly operation (an upscale), losslessly, under the fingerprint of the
original and the operations so far. Any other operation is repeated faster than an image is encoded,
stored, fetched and decoded (``python -m bench.intermediates``). A PNG that a finished task
published under that fingerprint is used directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from models.errors import BadParameter, OriginalGone, StoreUnavailable
from models.operations import Operation
from models.operations.fingerprint import fingerprint
from models.operations.steps import result_count
from models.tasks.task import Status, Task
from workers.context import WorkerContext
from workers.store_retry import retry_store

log = structlog.get_logger()


@dataclass(frozen=True)
class Prefix:
    """The first ``count`` operations of a pipeline, and their fingerprint."""

    count: int
    fingerprint: str


def reusable_prefixes(
    worker: WorkerContext, task: Task, operations: Sequence[Operation]
) -> list[Prefix]:
    """Return the prefixes that end with a costly operation, longest first."""
    prefixes = []
    for count in range(len(operations) - 1, 0, -1):
        head = operations[:count]
        if head[-1].costly and result_count(head) == 1:
            try:
                weights = [w for o in head if (w := o.weights(worker.catalogue)) is not None]
            except BadParameter:  # this worker lacks a network: its child process reports that
                continue
            writing = worker.settings.encoder_settings
            mark = fingerprint(
                task.original_sha256, head, "png", weights, writing, owner=task.owner
            )
            prefixes.append(Prefix(count, mark))
    return prefixes


@dataclass(frozen=True)
class FetchedInput:
    """How many operations were already applied to the fetched image, and its notes."""

    skipped: int = 0
    notes: tuple[str, ...] = ()


async def fetch_input(
    worker: WorkerContext,
    task: Task,
    operations: Sequence[Operation],
    path: Path,
    *,
    original_only: bool = False,
) -> FetchedInput:
    """Write the longest stored prefix of the task, or its original, to ``path``.

    ``original_only``: always the original, for a report, which must measure every operation.
    """
    for prefix in () if original_only else reusable_prefixes(worker, task, operations):
        try:
            notes = await _load_prefix(worker, prefix, path)
        except LookupError:  # deleted in the meantime
            continue
        if notes is not None:
            log.info("intermediate_reused", operations=prefix.count)
            return FetchedInput(prefix.count, tuple(notes))
    try:
        await retry_store(worker.store.originals.download)(task.original_id, path)
    except LookupError as error:
        # Else a new upload of the same image would be matched to the broken original.
        await retry_store(worker.store.originals.mark_damaged)(task.original_id)
        raise OriginalGone(
            "the uploaded picture is missing or incomplete in the store; upload it again"
        ) from error
    return FetchedInput()


@retry_store
async def _load_prefix(worker: WorkerContext, prefix: Prefix, path: Path) -> list[str] | None:
    """Write the stored prefix to ``path`` and return its notes; None if it is not stored."""
    store = worker.store
    task = await store.tasks.get(prefix.fingerprint[:32])
    same = task is not None and task.fingerprint == prefix.fingerprint
    if same and task is not None and task.status is Status.SUCCESS and not task.results_lost:
        await store.results.download(task.results[0].file_id, path)
        return task.results[0].notes
    file_id = await store.intermediates.find(prefix.fingerprint)
    if file_id is None:
        return None
    await store.intermediates.download(file_id, path)
    return list((await store.intermediates.metadata(file_id)).get("notes", ()))


def prefixes_to_store(
    worker: WorkerContext, task: Task, operations: Sequence[Operation], skipped: int
) -> list[Prefix]:
    """Return the prefixes that this attempt computes and should store."""
    if not worker.settings.intermediate_ttl:
        return []
    return [p for p in reusable_prefixes(worker, task, operations) if p.count > skipped]


async def store_intermediate(
    worker: WorkerContext, prefix: Prefix, path: Path, notes: Sequence[str]
) -> None:
    """Store the image at ``path`` with its ``notes``; do nothing if the store is away."""
    try:
        with path.open("rb") as file:
            metadata = {"key": prefix.fingerprint, "notes": list(notes)}
            await worker.store.intermediates.put(file, f"{prefix.fingerprint}.png", metadata)
    except StoreUnavailable as error:
        log.warning("intermediate_not_stored", **error.document())
