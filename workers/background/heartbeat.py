"""Worker heartbeat: report the worker's status, and learn whether to drain."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog

from workers.context import WorkerContext
from workers.queue.arq_worker import DarkroomWorker
from workers.sandbox.proc_status import memory_bytes

log = structlog.get_logger()

HEARTBEAT_SECONDS = 2.0  # between two heartbeats
_MAX_LISTED = 64  # children and tasks listed one by one: bounds a document written so often


async def report_heartbeat(worker: WorkerContext, jobs: DarkroomWorker) -> None:
    """Report the worker's status, and stop or start taking jobs if that was asked for.

    A worker starts undrained, whatever was asked before.
    """
    drain = await _report(worker, jobs)
    if drain != worker.draining:
        worker.draining = drain
        jobs.accept_jobs(accept=not drain)
        log.info("draining" if drain else "resumed")
        await _report(worker, jobs)  # the change at once


async def _report(worker: WorkerContext, jobs: DarkroomWorker) -> bool:
    first, engine = not worker.reported, worker.children.engine
    drain = await worker.store.workers.report(
        worker.name, engine, _status(worker, jobs), first=first
    )
    worker.reported = True
    return drain


def _status(worker: WorkerContext, jobs: DarkroomWorker) -> dict[str, Any]:
    now, moment = monotonic(), worker.store.clock.now()
    children = worker.children.states
    attempts = sorted(worker.attempts, key=lambda attempt: attempt.started)
    state = "running"
    if worker.draining:
        state = "drained" if jobs.idle else "draining"
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": worker.started_at,
        "state": state,
        "children": [
            {"pid": pid, "state": "busy" if busy else "idle"}
            for pid, busy in list(children.items())[:_MAX_LISTED]
        ],
        "abilities": worker.abilities.model_dump(),
        "places": worker.settings.worker.child_processes,
        "network_seconds": worker.children.network_seconds,
        "tasks": [
            {
                "id": attempt.task.id,
                "progress": attempt.progress,
                "since": moment - timedelta(seconds=now - attempt.started),
            }
            for attempt in attempts[:_MAX_LISTED]
        ],
        "in_hand": len(attempts),
        "done": worker.done,
        "failed": worker.failed,
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count() or 1,
        "memory": {
            "worker": memory_bytes("VmRSS"),
            "children": sum(memory_bytes("VmRSS", pid) for pid in children),
        },
    }
