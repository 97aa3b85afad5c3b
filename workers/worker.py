"""Create the arq worker with its startup, shutdown and background tasks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog
from arq.worker import func

from models import memory_estimate, ready_pipe
from models.errors import StoreUnavailable
from models.free_space import FreeSpace
from models.metrics.definitions import CHILD_PROCESSES_REPLACED, MONGODB_COMMANDS, REDIS_CALLS
from models.metrics.instruments import Instruments, measure_lag
from models.metrics.metric import MetricSource
from models.networks.catalogue import Catalogue
from models.periodic import run_periodically
from models.redis.queue import JOB_NAME, Queue, connect, from_json, to_json
from models.settings import Settings
from models.shared_settings import shared_settings
from models.store import Store
from models.store.mongo.programs import REFRESH_SECONDS
from models.tasks.needs import differences
from workers import metrics
from workers.background.heartbeat import HEARTBEAT_SECONDS, report_heartbeat
from workers.background.housekeeping import pause_seconds, run_if_due
from workers.background.impossible import IMPOSSIBLE_CHECK_SECONDS, fail_impossible
from workers.background.sweep import sweep_if_due
from workers.child.memory_semaphore import MemorySemaphore
from workers.child.pool import ChildPool
from workers.context import WorkerContext
from workers.mail.newsletter import enqueue_newsletter
from workers.mail.sender import send_emails
from workers.queue import scratch_dir
from workers.queue.arq_worker import DarkroomWorker
from workers.queue.jobs import run_task
from workers.webhooks.sender import RELEASE_SECONDS, release_webhooks, send_webhooks
from workers.worker_name import worker_name

log = structlog.get_logger()

_NEWSLETTER_POLL_SECONDS = 300.0
_SENDER_RESTART_SECONDS = 1.0
_CANCEL_AGAIN_SECONDS = 10.0  # senders take five to finish what they are sending
_LOCAL_COPIES = 2  # of a result: the child's file, and the copy that is inspected and published
_JOB_SLACK_SECONDS = 900  # beyond TASK_TIMEOUT, for waiting, fetching and publishing


def create(
    settings: Settings, *, handle_signals: bool = True, ready_fd: int | None = None
) -> DarkroomWorker:
    """Return the arq worker; it connects and starts its child processes when it runs.

    ``handle_signals``: stop on SIGINT and SIGTERM; False inside another program. ``ready_fd``: see
    ``models.ready_pipe``.
    """
    redis = connect(settings.stores)
    name = worker_name(os.getpid())
    background: list[asyncio.Task[None]] = []

    async def start(ctx: dict[str, Any]) -> None:
        instruments = Instruments(MetricSource.WORKER)
        store = await Store.open(settings, instruments.call_observer(MONGODB_COMMANDS))
        scratch = scratch_dir.create()
        children = ChildPool(
            settings, lambda cause: instruments.count(CHILD_PROCESSES_REPLACED, cause), scratch
        )
        catalogue = Catalogue.read(settings.networks.networks_dir)
        for problem in catalogue.problems:
            log.warning("network_refused", reason=problem)
        try:
            await children.start()
            secret = await store.secret_key.get()
            await store.programs.join("worker", shared_settings(settings, secret, worker=True))
        except BaseException:
            await children.stop()
            store.close()
            raise
        worker = WorkerContext(
            name=name,
            settings=settings,
            store=store,
            queue=Queue(
                redis, settings.stores.store_timeout, instruments.call_observer(REDIS_CALLS)
            ),
            children=children,
            catalogue=catalogue,
            scratch=scratch,
            memory=MemorySemaphore(memory_estimate.worker_budget(settings.worker)),
            free_space=FreeSpace(settings.uploads, store, "the worker", scratch, _LOCAL_COPIES),
            instruments=instruments,
            leave=loop.leave,
        )
        ctx.update(worker=worker, jobs=loop)
        loop.kind, loop.on_cancelled = worker.abilities.kind, worker.check_leases
        await _warn_of_differences(worker)
        store.availability.on_change = loop.pause
        jobs: list[tuple[str, Callable[[], Awaitable[object]], float]] = [
            ("sweep", lambda: sweep_if_due(worker), settings.worker.sweep_interval_seconds),
            ("housekeeping", lambda: run_if_due(name, settings, store), pause_seconds(settings)),
            ("impossible", lambda: fail_impossible(worker), IMPOSSIBLE_CHECK_SECONDS),
            ("programs", store.programs.refresh, REFRESH_SECONDS),
            ("heartbeat", lambda: report_heartbeat(worker, loop), HEARTBEAT_SECONDS),
            # These end only by an error, e.g. when the store is away while they start.
            (
                "emails",
                lambda: send_emails(settings, store, worker.email_due),
                _SENDER_RESTART_SECONDS,
            ),
            ("webhooks", lambda: send_webhooks(worker), _SENDER_RESTART_SECONDS),
            ("release_webhooks", lambda: release_webhooks(worker), RELEASE_SECONDS),
            # Not an arq job, which would wait behind all tasks. A restarted worker catches up.
            (
                "newsletter",
                lambda: enqueue_newsletter(settings.mail, store),
                _NEWSLETTER_POLL_SECONDS,
            ),
        ]
        if settings.monitoring.metrics:
            seconds = metrics.SNAPSHOT_SECONDS
            jobs.append(("metrics", lambda: metrics.write_snapshot_if_due(worker), seconds))
        running = [
            *(run_periodically(*job) for job in jobs),
            loop.follow_messages(),
            measure_lag(instruments),
        ]
        background.extend(asyncio.create_task(job) for job in running)
        ready_pipe.notify_ready(ready_fd)
        log.info(
            "worker_ready",
            worker=worker.name,
            children=settings.worker.child_processes,
            engine=children.engine,
            confined_by=[layer for layer, why in children.layers.items() if not why],
        )

    async def stop(ctx: dict[str, Any]) -> None:
        await _cancel(background)
        worker: WorkerContext | None = ctx.get("worker")
        if worker is not None:
            await worker.children.stop()
            if not worker.ended.empty():
                with contextlib.suppress(StoreUnavailable):
                    await release_webhooks(worker)
            with contextlib.suppress(StoreUnavailable):
                await worker.store.workers.remove(worker.name)
                await worker.store.programs.leave()
                if settings.monitoring.metrics:
                    await metrics.write_snapshot(worker, gauges=False)
            worker.store.close()
            shutil.rmtree(worker.scratch, ignore_errors=True)
        log.info("worker_stopped")

    loop = DarkroomWorker(
        # The ledger counts attempts; arq must never drop a job by itself.
        [func(run_task, name=JOB_NAME, max_tries=1_000_000, keep_result=0)],
        redis_pool=redis,
        on_startup=start,
        on_shutdown=stop,
        # Without a free child process a job stays in the queue, where an idle worker finds it.
        max_jobs=settings.worker.child_processes,
        job_timeout=settings.worker.task_timeout + _JOB_SLACK_SECONDS,
        handle_signals=handle_signals,
        job_completion_wait=settings.worker.drain_seconds,
        keep_result=0,  # the ledger has the result
        health_check_interval=5,
        health_check_key=f"arq:health-check:{name}",  # arq shares one by default
        max_tries=1_000_000,
        job_serializer=to_json,
        job_deserializer=from_json,
        log_results=False,
    )
    return loop


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` and wait for their ends."""
    pending = set(tasks)
    while pending:  # drivers sometimes swallow a cancellation: the worker would never stop
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _warn_of_differences(worker: WorkerContext) -> None:
    others = await worker.store.workers.abilities() or ()
    if found := differences([worker.abilities, *others]):
        log.warning("settings_differ", from_workers=found)
