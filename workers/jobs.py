"""What happens when arq rings: claim the task, do the work, publish, and say how it ended."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from models.errors import AppError, Internal, StoreUnavailable, WorkerCrashed, from_document
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from models.task import Result, Task
from workers.children import Children

log = structlog.get_logger()

_PATIENCE = 600  # seconds a task in a worker's hands waits for a store that is away
_TROUBLE_PAUSE = 5.0  # seconds a place stays empty after the machine failed it
_PROGRESS_PAUSE = 1.0  # seconds between two writes of a task's progress

# Trouble with a store is waited out: it is nobody's fault and must cost neither work nor attempts.
_patient = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=10),
    stop=stop_after_delay(_PATIENCE),
    reraise=True,
)


@dataclass
class Worker:
    """What the jobs of one worker process share."""

    name: str
    settings: Settings
    store: Store
    queue: Queue
    children: Children
    scratch: Path


@dataclass
class _Attempt:
    """One claim of one task."""

    task: Task
    token: str
    progress: int = 0
    published: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    lost: asyncio.Event = field(default_factory=asyncio.Event)


async def process(ctx: dict[str, Any], task_id: str) -> None:
    """Work at ``task_id`` if nobody does; the one job that arq knows."""
    worker: Worker = ctx["worker"]
    token = secrets.token_hex(16)
    with structlog.contextvars.bound_contextvars(task_id=task_id):
        task = await worker.store.leases.claim(
            task_id,
            worker=worker.name,
            token=token,
            seconds=worker.settings.lease_seconds,
            max_attempts=worker.settings.max_attempts,
        )
        if task is None:
            log.debug("nothing_to_claim")
            return
        log.info("started", attempt=task.attempts)
        await _attempt(worker, _Attempt(task, token))


async def _attempt(worker: Worker, attempt: _Attempt) -> None:
    heart = asyncio.create_task(_beat(worker, attempt))
    work = asyncio.create_task(_work(worker, attempt))
    lost = asyncio.create_task(attempt.lost.wait())
    try:
        await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            log.warning("lease_lost")
            return
        await work
    except asyncio.CancelledError:
        # The worker is being stopped: another one gets the task, and no attempt is charged.
        await worker.store.leases.release(attempt.task.id, attempt.token, charge=False)
        log.info("handed_back")
        raise
    except WorkerCrashed as error:
        await _crashed(worker, attempt, error)
    except StoreUnavailable as error:
        # Nothing can be written; the lease runs out and the sweep gives the task to a worker again.
        log.error("given_up_for_now", **error.document())
    except AppError as error:
        await _failed(worker, attempt, error)
    except OSError as error:
        # This machine is in trouble (disk full, no process to be had), not this picture. The task
        # goes back uncharged; the pause keeps a broken machine from drawing the whole queue.
        log.error("machine_trouble", reason=repr(error))
        await _patient(worker.store.leases.release)(attempt.task.id, attempt.token, charge=False)
        await asyncio.sleep(_TROUBLE_PAUSE)
    except Exception:
        incident = secrets.token_hex(8)
        log.exception("unexpected", incident=incident)
        defect = Internal("something went wrong on our side", incident=incident)
        await _failed(worker, attempt, defect)
    finally:
        for task in (heart, work, lost):
            task.cancel()
        await asyncio.gather(heart, work, lost, return_exceptions=True)


async def _beat(worker: Worker, attempt: _Attempt) -> None:
    """Keep the lease alive and write the progress; set ``lost`` when the lease is another's."""
    pause = worker.settings.lease_seconds / 3
    told, since = 0, 0.0
    while True:
        step = min(_PROGRESS_PAUSE, pause)
        await asyncio.sleep(step)
        since += step
        if since < pause and attempt.progress == told:
            continue
        told, since = attempt.progress, 0.0
        try:
            held = await worker.store.leases.extend(
                attempt.task.id,
                attempt.token,
                seconds=worker.settings.lease_seconds,
                progress=told,
            )
        except StoreUnavailable:
            continue  # the next beat tries again; the token decides who was right
        except Exception:
            log.exception("heartbeat_failed")
            continue
        if not held:
            if not attempt.published:
                attempt.lost.set()
            return


async def _work(worker: Worker, attempt: _Attempt) -> None:
    task = attempt.task

    def progress(share: float) -> None:
        attempt.progress = min(99, int(share * 100))

    with tempfile.TemporaryDirectory(dir=worker.scratch) as name:
        folder = Path(name)
        source = folder / "original"
        began = time.monotonic()
        await _patient(worker.store.originals.save)(task.original_id, source)
        attempt.stages["fetch_ms"] = _since(began)
        request = {
            "source": str(source),
            "folder": name,
            "operations": task.operations,
            "format": task.format,
        }
        began = time.monotonic()
        answer = await worker.children.run(request, progress)
        attempt.stages["work_ms"] = _since(began)
        if "defect" in answer:
            raise RuntimeError(f"in the child:\n{answer['defect']}")
        if "error" in answer:
            raise from_document(answer["error"])
        await _publish(worker, attempt, answer["results"])


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


async def _publish(worker: Worker, attempt: _Attempt, outputs: list[dict[str, Any]]) -> None:
    """Store the results under the task's token, then turn the task SUCCESS."""
    task = attempt.task
    began = time.monotonic()
    results = [await _store(worker, attempt, *pair) for pair in enumerate(outputs)]
    finish = _patient(worker.store.leases.finish)
    attempt.published = await finish(task.id, attempt.token, results)
    if not attempt.published and not await _mine(worker, attempt, results):
        log.warning("fenced", results=len(results))
        for result in results:
            await worker.store.results.delete(result.file_id)
        return
    attempt.stages["publish_ms"] = _since(began)
    log.info("finished", bytes=sum(result.bytes for result in results), **attempt.stages)
    if task.attempts > 1:
        await worker.store.results.delete_others(task.id, attempt.token)


@_patient
async def _mine(worker: Worker, attempt: _Attempt, results: list[Result]) -> bool:
    """Tell whether the task lists ``results`` already: they were, and the answer got lost."""
    task = await worker.store.tasks.get(attempt.task.id)
    return task is not None and task.results == results


@_patient
async def _store(worker: Worker, attempt: _Attempt, part: int, output: dict[str, Any]) -> Result:
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
    )


@_patient
async def _failed(worker: Worker, attempt: _Attempt, error: AppError) -> None:
    log.warning("failed", **error.document())
    await worker.store.leases.fail(attempt.task.id, attempt.token, error.document())


async def _crashed(worker: Worker, attempt: _Attempt, error: WorkerCrashed) -> None:
    """Give a task whose child died another chance, as long as it has attempts left."""
    used, limit = attempt.task.attempts, worker.settings.max_attempts
    if used >= limit:
        await _failed(worker, attempt, crash(used, **error.facts))
        return
    log.warning("crashed", attempt=used, **error.facts)
    if await worker.store.leases.release(attempt.task.id, attempt.token, charge=True):
        turn = await worker.store.leases.next_ring(attempt.task.id)
        await worker.queue.ring(attempt.task.id, turn)


def crash(attempts: int, **facts: Any) -> WorkerCrashed:
    """Return the error of a task that took its process down as often as it may."""
    return WorkerCrashed(
        f"the process working at this picture died {attempts} times (MAX_ATTEMPTS)",
        attempts=attempts,
        **facts,
    )
