"""Reuse intermediate results: pipelines with the same beginning compute it once.

Stored is the image after a costly operation (an upscale), losslessly, under the fingerprint of the
original and the operations so far. Any other operation is repeated faster than an image is encoded,
stored, fetched and decoded (``python -m bench.intermediates``). A PNG that a finished task
published under that fingerprint is used directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from bson import ObjectId

from models.errors import BadParameter, InsufficientResources, OriginalGone, StoreUnavailable
from models.operations import Operation
from models.operations.fingerprint import fingerprint
from models.operations.steps import result_count
from models.operations.watermark_picture import sent_in
from models.tasks.task import Status, Task
from workers.context import WorkerContext
from workers.store_retry import retry_store

log = structlog.get_logger()


def reusable_prefixes(
    worker: WorkerContext, task: Task, operations: Sequence[Operation]
) -> dict[int, str]:
    """Return the prefixes that end with a costly operation, longest first.

    By the number of operations: the fingerprint of their result.
    """
    prefixes = {}
    for count in range(len(operations) - 1, 0, -1):
        head = operations[:count]
        if head[-1].costly and result_count(head) == 1:
            try:
                weights = [w for o in head for w in o.weights(worker.catalogue)]
            except BadParameter:  # this worker lacks a network: its child process reports that
                continue
            writing = worker.settings.encoding.encoder_settings
            prefixes[count] = fingerprint(
                task.original_sha256, head, "png", weights, writing, owner=task.owner
            )
    return prefixes


async def fetch_input(
    worker: WorkerContext, task: Task, prefixes: Mapping[int, str], path: Path
) -> tuple[int, list[str]]:
    """Write the first of ``prefixes`` that is stored, or else the original, to ``path``.

    Return how many operations were already applied to it, and its notes.
    """
    for count, mark in prefixes.items():
        try:
            notes = await _load_prefix(worker, mark, path)
        except LookupError:  # deleted in the meantime
            continue
        if notes is not None:
            log.info("intermediate_reused", operations=count)
            return count, notes
    await _download(worker, task.original_id, path)
    return 0, []


async def fetch_watermark(
    worker: WorkerContext, task: Task, operations: Sequence[Operation], path: Path
) -> str:
    """Write the picture of a watermark to ``path`` and return that; "" if none is needed."""
    if task.watermark_id is None or sent_in(operations) is None:
        return ""
    await _download(worker, task.watermark_id, path)
    return str(path)


async def _download(worker: WorkerContext, file_id: ObjectId, path: Path) -> None:
    """Write a file that was uploaded to ``path``.

    Raises:
        OriginalGone: it is missing or incomplete.
    """
    try:
        await retry_store(worker.store.originals.download)(file_id, path)
    except LookupError as error:
        # Else a new upload of the same image would be matched to the broken original.
        await retry_store(worker.store.originals.mark_damaged)(file_id)
        raise OriginalGone(
            "the uploaded picture is missing or incomplete in the store; upload it again"
        ) from error


@retry_store
async def _load_prefix(worker: WorkerContext, mark: str, path: Path) -> list[str] | None:
    """Write the result with the fingerprint ``mark`` to ``path`` and return its notes.

    Return None if it is not stored.
    """
    store = worker.store
    task = await store.tasks.get(mark[:32])
    same = task is not None and task.fingerprint == mark
    if same and task is not None and task.status is Status.SUCCESS and not task.results_lost:
        await store.results.download(task.results[0].file_id, path)
        return task.results[0].notes
    file_id = await store.intermediates.find(mark)
    if file_id is None:
        return None
    await store.intermediates.download(file_id, path)
    return list((await store.intermediates.metadata(file_id)).get("notes", ()))


async def store_intermediate(
    worker: WorkerContext, mark: str, path: Path, notes: Sequence[str]
) -> None:
    """Store the image at ``path`` with its ``notes``, unless the store is away or has no room."""
    try:
        await worker.free_space.check_storing(path.stat().st_size, worker.publishing_bytes)
        with path.open("rb") as file:
            metadata = {"key": mark, "notes": list(notes)}
            await worker.store.intermediates.put(file, f"{mark}.png", metadata)
    except (StoreUnavailable, InsufficientResources) as error:
        log.warning("intermediate_not_stored", **error.document())
