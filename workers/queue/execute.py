"""Execute one attempt: fetch the image, run the operations in a child process, publish results."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import structlog

from models import memory_estimate, work_estimate
from models.animation import count_frames
from models.error_members import from_document
from models.images.inspect import ImageHeader, InputFormat, OutputFormat, inspect
from models.operations import Operation, load
from models.operations.steps import final_encoding, result_count, sizes_after
from models.small_files import in_thread_if_large
from models.tasks.task import Result
from workers.child.request import Request
from workers.context import Attempt, WorkerContext
from workers.queue.intermediates import (
    fetch_input,
    fetch_watermark,
    reusable_prefixes,
    store_intermediate,
)
from workers.store_retry import retry_store

log = structlog.get_logger()


async def execute(worker: WorkerContext, attempt: Attempt) -> None:
    """Execute the task and publish its results.

    Raises:
        InsufficientResources: the disk has no room for the results.
        AppError: the child process rejected the image, died or ran into the timeout.
    """
    task = attempt.task
    operations = [load(document) for document in task.operations]
    output = final_encoding(operations, task.format)
    # Before the work: a task that is put aside costs nothing then.
    expected = await worker.free_space.predict(task.most_result_bytes, output.format)
    await worker.free_space.check_storing(expected, worker.publishing_bytes)

    def progress(share: float, until: float) -> None:
        attempt.meter.report(share, until, time.monotonic())

    with tempfile.TemporaryDirectory(dir=worker.scratch) as name:
        folder = Path(name)
        source = folder / "original"
        began = time.monotonic()
        # An intermediate result carries no metadata.
        reusable = task.metadata == "none" and output.frames == "first"
        prefixes = reusable_prefixes(worker, task, operations) if reusable else {}
        # A report must measure every operation.
        skipped, notes = await fetch_input(
            worker, task, {} if task.wants_report else prefixes, source
        )
        attempt.stages["fetch"] = _elapsed_ms(began)
        left = operations[skipped:]
        watermark = await fetch_watermark(worker, task, left, folder / "watermark")
        to_store = {
            count - skipped: mark
            for count, mark in prefixes.items()
            if count > skipped and worker.settings.retention.intermediate_ttl
        }
        header = await in_thread_if_large(source.stat().st_size, _inspect, source)
        tile = worker.settings.networks.tile_pixels
        need, fixed = memory_estimate.estimate(
            header, _left(operations, skipped), output.format, worker.catalogue, tile
        )
        memory_estimate.check_fits(need, worker.settings.worker, fixed)
        request = Request(
            str(source),
            name,
            task.operations[skipped:],
            output.format,
            output.quality,
            output.progressive,
            output.max_bytes,
            is_intermediate=skipped > 0,
            notes=notes,
            keep=list(to_store),
            report=task.wants_report,
            memory_bytes=need,
            result_count=result_count(operations),
            metadata=task.metadata,
            step_seconds=_step_seconds(header, left, output.format),
            frames=count_frames(header, operations, output.format),
            watermark=watermark,
        )
        began = time.monotonic()
        async with worker.memory.reserve(need, short=task.work.short):
            attempt.stages["wait"] = _elapsed_ms(began)
            began = time.monotonic()
            message = await worker.children.run(request, progress, short=task.work.short)
        attempt.stages["work"] = _elapsed_ms(began)
        attempt.child_stages = message.get("ms", {})
        if "defect" in message:
            raise RuntimeError(f"in the child:\n{message['defect']}")
        if "error" in message:
            raise from_document(message["error"])
        await _publish(worker, attempt, message["results"], message["report"])
        for count, kept in message["kept"].items():
            await store_intermediate(
                worker, to_store[int(count)], Path(kept["path"]), kept["notes"]
            )


def _left(operations: Sequence[Operation], skipped: int) -> list[Operation]:
    """Return what is left after the ``skipped`` operations, with what they say of the encoding."""
    said = [each for each in operations[:skipped] if each.encoding() is not None]
    return [*said, *operations[skipped:]]


def _step_seconds(
    header: ImageHeader, operations: Sequence[Operation], output: OutputFormat
) -> list[float]:
    """Return the reference seconds of each step, by which a child counts its progress."""
    size = (header.width, header.height)
    *_, sizes = [size], *sizes_after(operations, size)
    found = work_estimate.steps(header, operations, output, sizes)
    return [sum(seconds for _, seconds in parts) for parts in found]


def _inspect(source: Path) -> ImageHeader:
    with source.open("rb") as file:
        return inspect(file, get_args(InputFormat))


def _elapsed_ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


async def _publish(
    worker: WorkerContext,
    attempt: Attempt,
    outputs: list[dict[str, Any]],
    report: dict[str, Any] | None,
) -> None:
    """Store the results under the attempt's token, then set the task to SUCCESS."""
    task = attempt.task
    began = time.monotonic()
    size = sum(output["bytes"] for output in outputs)
    await worker.free_space.check_storing(size, worker.publishing_bytes)
    attempt.publishing = True
    attempt.on_publishing()
    worker.publishing_bytes += size
    try:
        results = [await _store_result(worker, attempt, *pair) for pair in enumerate(outputs)]
    finally:
        worker.publishing_bytes -= size
    finish = retry_store(worker.store.leases.finish)
    stages = {**attempt.stage_times(), "publish": _elapsed_ms(began)}  # all but this last call
    published = await finish(task.id, attempt.token, results, report, stages)
    if not published and not await _already_published(worker, attempt, results):
        log.warning("publish_fenced", results=len(results))
        attempt.set_outcome("fenced")
        for result in results:
            await worker.store.results.delete(result.file_id)
        return
    attempt.stages["publish"] = _elapsed_ms(began)
    attempt.set_outcome("success")
    spent = {f"{stage}_ms": milliseconds for stage, milliseconds in attempt.stages.items()}
    log.info("task_finished", bytes=sum(result.bytes for result in results), **spent)
    if task.attempts > 1:
        # Earlier results, if the task was restarted, may be in use by a reader.
        waste = [file.file_id for file in task.waste]
        await worker.store.results.delete_others(task.id, attempt.token, waste)


@retry_store
async def _already_published(
    worker: WorkerContext, attempt: Attempt, results: list[Result]
) -> bool:
    """Return whether the task lists ``results`` already: published, but the reply was lost."""
    task = await worker.store.tasks.get(attempt.task.id)
    return task is not None and task.results == results


@retry_store
async def _store_result(
    worker: WorkerContext, attempt: Attempt, part: int, output: dict[str, Any]
) -> Result:
    task = attempt.task
    metadata = {"task_id": task.id, "token": attempt.token, "sha256": output["sha256"]}
    with Path(output["path"]).open("rb") as file:
        file_id = await worker.store.results.put(file, task.uploads[0].results[part], metadata)
    return Result(
        file_id=file_id,
        format=task.format,
        width=output["width"],
        height=output["height"],
        bytes=output["bytes"],
        sha256=output["sha256"],
        notes=output["notes"],
    )
