"""The work of one attempt: fetch the picture, have a child do the pixels, publish the results."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import structlog

from models import memory_estimate
from models.errors import from_document
from models.images.inspect import Header, Kind, inspect
from models.operations import load
from models.operations.steps import encoding, parts
from models.tasks.task import Result
from workers.child.request import Request
from workers.context import Attempt, Worker
from workers.queue.intermediates import Prefix, fetch, keep, worth_keeping
from workers.store_retry import patient

log = structlog.get_logger()


async def work(worker: Worker, attempt: Attempt) -> None:
    """Do the task and publish it.

    Raises:
        AppError: the child refused the picture, died or was late.
    """
    task = attempt.task
    operations = [load(document) for document in task.operations]
    written = encoding(operations, task.format)

    def progress(share: float) -> None:
        attempt.progress = min(99, int(share * 100))

    with tempfile.TemporaryDirectory(dir=worker.scratch) as name:
        folder = Path(name)
        source = folder / "original"
        began = time.monotonic()
        fetched = await fetch(worker, task, operations, source, whole=task.wants_report)
        skipped = fetched.skipped
        attempt.stages["fetch_ms"] = _since(began)
        kept = worth_keeping(worker, task, operations, skipped)
        header = await asyncio.to_thread(_inspect, source)
        tile = worker.settings.tile_pixels
        need, fixed = memory_estimate.need(
            header, operations[skipped:], written.format, worker.catalogue, tile
        )
        memory_estimate.check(need, worker.settings, fixed)
        request = Request(
            str(source),
            name,
            task.operations[skipped:],
            written.format,
            written.quality,
            own=skipped > 0,
            notes=fetched.notes,
            keep=[prefix.count - skipped for prefix in kept],
            report=task.wants_report,
            memory=need,
            results=parts(operations),
        )
        began = time.monotonic()
        async with worker.room.hold(need):
            attempt.stages["wait_ms"] = _since(began)
            began = time.monotonic()
            answer = await worker.children.run(request, progress)
        attempt.stages["work_ms"] = _since(began)
        attempt.pixels = answer.get("ms", {})
        if "defect" in answer:
            raise RuntimeError(f"in the child:\n{answer['defect']}")
        if "error" in answer:
            raise from_document(answer["error"])
        await _publish(worker, attempt, answer["results"], answer["report"])
        await _keep(worker, kept, answer["kept"], skipped)


def _inspect(source: Path) -> Header:
    with source.open("rb") as file:
        return inspect(file, get_args(Kind))


async def _keep(
    worker: Worker, prefixes: list[Prefix], files: dict[str, Any], skipped: int
) -> None:
    for prefix in prefixes:
        output = files.get(str(prefix.count - skipped))
        if output is not None:
            await keep(worker, prefix, Path(output["path"]), output["notes"])


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


async def _publish(
    worker: Worker,
    attempt: Attempt,
    outputs: list[dict[str, Any]],
    report: dict[str, Any] | None,
) -> None:
    """Store the results under the task's token, then turn the task SUCCESS."""
    task = attempt.task
    began = time.monotonic()
    attempt.publishing = True
    results = [await _store(worker, attempt, *pair) for pair in enumerate(outputs)]
    finish = patient(worker.store.leases.finish)
    stages = {**attempt.story(), "publish": _since(began)}  # but for this last call
    published = await finish(task.id, attempt.token, results, report, stages)
    if not published and not await _mine(worker, attempt, results):
        log.warning("fenced", results=len(results))
        attempt.end("fenced")
        for result in results:
            await worker.store.results.delete(result.file_id)
        return
    attempt.stages["publish_ms"] = _since(began)
    attempt.end("success")
    log.info("finished", bytes=sum(result.bytes for result in results), **attempt.stages)
    if task.attempts > 1:
        # What it had before, if it began anew, may be being read.
        waste = [each.file_id for each in task.waste]
        await worker.store.results.delete_others(task.id, attempt.token, waste)


@patient
async def _mine(worker: Worker, attempt: Attempt, results: list[Result]) -> bool:
    """Tell whether the task lists ``results`` already: they were, and the answer got lost."""
    task = await worker.store.tasks.get(attempt.task.id)
    return task is not None and task.results == results


@patient
async def _store(worker: Worker, attempt: Attempt, part: int, output: dict[str, Any]) -> Result:
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
