"""arq's worker as this project runs it; each value has its reason."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from typing import Any

import structlog
from arq.worker import func

from models import memory_estimate, ready_pipe
from models.errors import StoreUnavailable
from models.metrics import event_loop_lag
from models.metrics.definitions import MONGODB, REDIS, REPLACED
from models.metrics.instruments import Instruments
from models.metrics.metric import Source
from models.networks.catalogue import Catalogue
from models.redis.queue import PROCESS, Queue, connect, from_json, to_json
from models.settings import Settings
from models.store import Store
from workers import metrics
from workers.background.cancellation import heed
from workers.background.heartbeat import present
from workers.background.housekeeping import housekeep
from workers.background.sweep import sweep
from workers.child.memory_semaphore import Room
from workers.child.pool import Children
from workers.context import Worker
from workers.mail.newsletter import publish
from workers.mail.sender import send
from workers.queue import scratch_dir
from workers.queue.arq_worker import DarkroomWorker
from workers.queue.jobs import process
from workers.sandbox import held
from workers.webhooks import sender as webhooks
from workers.worker_name import worker_name

log = structlog.get_logger()

_LOOK = 300.0  # seconds between two looks for a newsletter that is due
_AGAIN = 10.0  # seconds until one is cancelled again: senders take five for what is in their hands
_SLACK = 900  # seconds beyond TASK_TIMEOUT for waiting, fetching and publishing


def create(
    settings: Settings, *, handle_signals: bool = True, ready_fd: int | None = None
) -> DarkroomWorker:
    """Return the arq worker; it connects and starts its children when it runs.

    ``handle_signals``: stop at SIGINT and SIGTERM; False inside another program. ``ready_fd``: see
    ``models.ready_pipe``.
    """
    redis = connect(settings)
    name = worker_name(os.getpid())
    background: list[asyncio.Task[None]] = []

    async def start(ctx: dict[str, Any]) -> None:
        instruments = Instruments(Source.WORKER)
        store = await Store.open(settings, instruments.clock(MONGODB))
        mine = scratch_dir.claim()
        children = Children(settings, lambda cause: instruments.count(REPLACED, cause), mine)
        catalogue = Catalogue.read(settings.networks, settings.onnx)
        for problem in catalogue.problems:
            log.warning("network_refused", reason=problem)
        try:
            await children.start()
        except BaseException:
            await children.stop()
            store.close()
            raise
        worker = Worker(
            name=name,
            settings=settings,
            store=store,
            queue=Queue(redis, settings.store_timeout, instruments.clock(REDIS)),
            children=children,
            catalogue=catalogue,
            scratch=mine,
            room=Room(memory_estimate.budget(settings)),
            instruments=instruments,
        )
        ctx["worker"] = worker
        background.append(asyncio.create_task(sweep(worker)))
        background.append(asyncio.create_task(housekeep(worker)))
        background.append(asyncio.create_task(heed(worker)))
        background.append(asyncio.create_task(present(worker, loop)))
        background.append(asyncio.create_task(send(settings, store)))
        background.append(asyncio.create_task(webhooks.send(worker)))
        background.append(asyncio.create_task(webhooks.look(worker)))
        background.append(asyncio.create_task(_newsletter(worker)))
        background.append(asyncio.create_task(event_loop_lag.watch(instruments)))
        if settings.metrics:
            background.append(asyncio.create_task(metrics.report(worker)))
        ready_pipe.tell(ready_fd)
        log.info(
            "worker_ready",
            worker=worker.name,
            children=settings.children,
            engine=children.engine,
            confined_by=held(children.layers),
        )

    async def stop(ctx: dict[str, Any]) -> None:
        left = set(background)
        while left:  # drivers swallow a cancellation now and then: the worker would never end
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=_AGAIN)
        await asyncio.gather(*background, return_exceptions=True)
        worker: Worker | None = ctx.get("worker")
        if worker is not None:
            await worker.children.stop()
            with contextlib.suppress(StoreUnavailable):
                await worker.store.presence.gone(worker.name)
                if settings.metrics:
                    await metrics.leave(worker)
            worker.store.close()
            shutil.rmtree(worker.scratch, ignore_errors=True)
        log.info("worker_stopped")

    loop = DarkroomWorker(
        # Attempts are counted in the ledger; arq must never drop a ring on its own account.
        [func(process, name=PROCESS, max_tries=1_000_000, keep_result=0)],
        redis_pool=redis,
        on_startup=start,
        on_shutdown=stop,
        # What has no child free is left in the queue, where an idle worker finds it.
        max_jobs=settings.children,
        job_timeout=settings.task_timeout + _SLACK,
        handle_signals=handle_signals,
        job_completion_wait=settings.drain_seconds,
        keep_result=0,  # the ledger has the result
        poll_delay=0.01,  # 7 ms from ring to start, for 3 % of a core when idle
        queue_read_limit=2000,  # arq skips what is in progress anywhere only within this many
        health_check_interval=5,
        health_check_key=f"arq:health-check:{name}",  # shared by default: one would hide another
        max_tries=1_000_000,
        job_serializer=to_json,
        job_deserializer=from_json,
        log_results=False,
    )
    return loop


async def _newsletter(worker: Worker) -> None:
    """Look every few minutes whether the week's newsletter is due, until cancelled.

    Not a job of arq, which would wait behind all tasks. A restart catches up on what was due.
    """
    while True:
        try:
            await publish(worker.settings, worker.store)
        except StoreUnavailable as error:
            log.warning("newsletter_waits", **error.document())
        except Exception:
            log.exception("newsletter_failed")
        await asyncio.sleep(_LOOK)
