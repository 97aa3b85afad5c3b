"""Worker heartbeat: report the worker's status every few seconds, and learn whether to drain."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import structlog

from models.errors import StoreUnavailable
from workers.context import WorkerContext

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 2.0  # between two heartbeats
_MAX_LISTED = (
    64  # children and tasks listed one by one: bounds a document written every two seconds
)
_PAGE_BYTES = resource.getpagesize()


class JobConsumer(Protocol):
    """What takes jobs from the queue: ``workers.queue.arq_worker.DarkroomWorker``."""

    @property
    def idle(self) -> bool: ...

    def accept_jobs(self, *, accept: bool) -> None: ...


async def report_heartbeats(worker: WorkerContext, jobs: JobConsumer) -> None:
    """Report heartbeats until cancelled; a worker starts undrained, whatever was asked before."""
    first, started_at = True, datetime.now(UTC)
    while True:
        pause = _HEARTBEAT_SECONDS
        try:
            status = {**_status(worker, jobs), "started_at": started_at}
            engine = worker.children.engine
            drain = await worker.store.workers.report(worker.name, engine, status, first=first)
            first = False
            if drain != worker.draining:
                worker.draining = drain
                jobs.accept_jobs(accept=not drain)
                log.info("draining" if drain else "resumed")
                pause = 0  # report the change at once
        except StoreUnavailable:
            pass
        except Exception:
            log.exception("heartbeat_failed")
        await asyncio.sleep(pause)


def _status(worker: WorkerContext, jobs: JobConsumer) -> dict[str, Any]:
    now, moment = monotonic(), datetime.now(UTC)
    children = worker.children.states
    attempts = sorted(worker.attempts, key=lambda attempt: attempt.started)
    state = "running"
    if worker.draining:
        state = "drained" if jobs.idle else "draining"
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "state": state,
        "children": [
            {"pid": pid, "state": "busy" if busy else "idle"}
            for pid, busy in list(children.items())[:_MAX_LISTED]
        ],
        "places": worker.settings.child_processes,
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
            "worker": resident_bytes(os.getpid()),
            "children": sum(resident_bytes(pid) for pid in children),
        },
    }


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if the system does not tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
