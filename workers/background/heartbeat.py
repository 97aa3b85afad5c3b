"""A worker says what it is and does, every few seconds, and hears whether it is to drain."""

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
from workers.context import Worker

log = structlog.get_logger()

_PAUSE = 2.0  # seconds between two signs of life
_MOST = 64  # children and tasks that are told one by one: it is written every two seconds
_PAGE_BYTES = resource.getpagesize()


class Jobs(Protocol):
    """Who takes jobs from the queue: ``workers.queue.arq_worker.DarkroomWorker``."""

    @property
    def idle(self) -> bool: ...

    def pick(self, *, jobs: bool) -> None: ...


async def present(worker: Worker, jobs: Jobs) -> None:
    """Say so until cancelled; whoever begins is not draining, whatever it was asked before."""
    first, started_at = True, datetime.now(UTC)
    while True:
        pause = _PAUSE
        try:
            said = {**_said(worker, jobs), "started_at": started_at}
            engine = worker.children.engine
            drain = await worker.store.presence.here(worker.name, engine, said, first=first)
            first = False
            if drain != worker.draining:
                worker.draining = drain
                jobs.pick(jobs=not drain)
                log.info("draining" if drain else "resumed")
                pause = 0  # whoever asked wants to see it
        except StoreUnavailable:
            pass
        except Exception:
            log.exception("presence_failed")
        await asyncio.sleep(pause)


def _said(worker: Worker, jobs: Jobs) -> dict[str, Any]:
    now, moment = monotonic(), datetime.now(UTC)
    children = worker.children.states
    attempts = sorted(worker.attempts, key=lambda attempt: attempt.began)
    state = "running"
    if worker.draining:
        state = "drained" if jobs.idle else "draining"
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "state": state,
        "children": [
            {"pid": pid, "state": "busy" if busy else "idle"}
            for pid, busy in list(children.items())[:_MOST]
        ],
        "places": worker.settings.children,
        "tasks": [
            {
                "id": attempt.task.id,
                "progress": attempt.progress,
                "since": moment - timedelta(seconds=now - attempt.began),
            }
            for attempt in attempts[:_MOST]
        ],
        "in_hand": len(attempts),
        "done": worker.done,
        "failed": worker.failed,
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count() or 1,
        "memory": {
            "worker": resident(os.getpid()),
            "children": sum(resident(pid) for pid in children),
        },
    }


def resident(pid: int) -> int:
    """Return the bytes of memory a process has in hand; 0 where the system does not say."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
