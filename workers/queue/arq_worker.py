"""arq's worker, made to stop surely and to outlive its Redis."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import structlog
from arq.worker import Worker

from models.redis.queue import TROUBLE

log = structlog.get_logger()

_PAUSE = 0.2  # seconds between two tries to reach a Redis that is away


class DarkroomWorker(Worker):
    """arq's worker, made to stop surely and to outlive its Redis.

    arq ends when a call to Redis fails, and with it the attempts in hand. The ledger has the tasks
    and the leases, so a worker can go on without Redis and take up ringing again when it is back.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stopping: asyncio.Task[None] | None = None
        self._away = False
        self.on_stop = self._insist

    @property
    def idle(self) -> bool:
        """Whether no job is in hand."""
        return self.job_counter == 0

    def pick(self, *, jobs: bool) -> None:
        """Take jobs from the queue from now on, or take none; those in hand go on."""
        self.allow_pick_jobs = jobs

    def _insist(self, signum: signal.Signals) -> None:
        self._stopping = asyncio.create_task(self.stop())

    async def stop(self) -> None:
        """Cancel the main loop until it has ended.

        redis-py 5 swallows a cancellation that comes while it waits for a connection's answer; one
        that is not repeated leaves arq polling for ever.
        """
        while self.main_task is not None and not self.main_task.done():
            self.main_task.cancel()
            await asyncio.wait({self.main_task}, timeout=0.2)

    async def close(self) -> None:
        """Close as arq does, even if a job was cancelled in its very last step.

        arq's own close then raises CancelledError and leaves everything open.
        """
        if self._stopping is None:  # no signal's handler has cancelled them: the main loop died
            for task in self.tasks.values():
                task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        self.tasks.clear()
        await super().close()

    async def _poll_iteration(self) -> None:
        try:
            await super()._poll_iteration()
        except TROUBLE as error:
            if not self._away:
                log.warning("redis_away", reason=repr(error))
            self._away = True
            await asyncio.sleep(_PAUSE)
        else:
            if self._away:
                log.info("redis_back")
            self._away = False

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        try:
            await super().start_jobs(job_ids)
        except TROUBLE:
            # arq took a place for the job before it asked Redis for it.
            self._release_sem_dec_counter_on_complete()
            raise
