"""arq's worker with a reliable shutdown, and with retries while Redis is away."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from arq.worker import Retry, Worker

from models.redis.connection import REDIS_ERRORS
from models.redis.queue import CANCELLED_CHANNEL, QUEUED_CHANNEL, is_short
from models.tasks.places import takes_short

log = structlog.get_logger()

_POLL_SECONDS = 0.2  # between two attempts to reach Redis while it is away
_MAX_LEFT = 100_000  # jobs that this worker leaves to others: 10 MB
_FIRST_IDS = 10  # that are read of the queue: most start at once what is first
_MOST_IDS = 2000  # read at a time behind them, while this worker may take none of those before
_MAX_IDLE_SECONDS = 10.0  # then the queue is read without a message: Redis does not keep them


class PutBack(Retry):
    """Raised by a job that goes back to its place in the queue, for another worker."""


class DarkroomWorker(Worker):
    """arq's worker with a reliable shutdown, and with retries while Redis is away.

    arq exits when a call to Redis fails, and its running attempts with it. The ledger has the
    tasks and the leases, so a worker can continue without Redis and poll again when it is back.

    arq polls the queue at intervals: short ones cost processor time when there is nothing to do,
    long ones delay tasks. This worker reads it when a job was enqueued or a job slot became free.

    It runs ``max_jobs`` jobs, and one short job more while all of them are long: a thumbnail does
    not wait for somebody's upscales. A job that needs no child process any more, since it stores
    its results, does not count: as many again may do so, and the children need not wait for that.
    """

    def __init__(self, *args: Any, max_jobs: int, **options: Any) -> None:
        super().__init__(*args, poll_delay=0, max_jobs=2 * max_jobs + 1, **options)
        self._usual_jobs = max_jobs
        self._storing: set[str] = set()
        self._passed = 0  # jobs of the last read that stay in the queue
        self._read_on = False  # whether one behind them could be started
        self._woken = asyncio.Event()
        self._unread = True  # whether the queue may hold what the last read did not take
        self._heard = False  # whether a message came since the last read began
        self._took_all = False  # whether a read has taken all that it found
        self._stopping: asyncio.Task[None] | None = None
        self._redis_away = False
        self._draining = self._store_away = False
        self.kind = ""  # equal for workers that can do the same
        self.on_cancelled: Callable[[str], None] = lambda _: None  # see ``check_leases``
        self._scores: dict[str, float] = {}  # of the jobs in work: their places in the queue
        self._left: dict[str, None] = {}  # jobs that it leaves to others, the oldest first
        self.on_stop = self._on_stop_signal

    @property
    def idle(self) -> bool:
        """Whether no job is running."""
        return self.job_counter == 0

    def accept_jobs(self, *, accept: bool) -> None:
        """Start or stop taking jobs from the queue; running jobs continue."""
        self._draining = not accept
        self._update()

    def pause(self, paused: bool) -> None:
        """Take no jobs while MongoDB is away: others, which reach it, do them."""
        self._store_away = paused
        self._update()

    def _update(self) -> None:
        self.allow_pick_jobs = not self._draining and not self._store_away
        self._wake()

    def _wake(self) -> None:
        """Let the queue be read: it may hold what this worker has not seen."""
        self._unread = self._heard = True
        self._woken.set()

    def store_results(self, job_id: str) -> None:
        """Let another job start: this one needs no child process any more."""
        self._storing.add(job_id)
        self._look_again()

    def _look_again(self) -> None:
        """Let the queue be read since another job may start here, unless nothing was in it."""
        if self._unread:
            self._woken.set()

    async def follow_messages(self) -> None:
        """Follow Redis' messages: read the queue after an enqueue; pass on what is cancelled."""
        while True:
            with contextlib.suppress(*REDIS_ERRORS):
                async with self.pool.pubsub() as subscription:
                    await subscription.subscribe(QUEUED_CHANNEL, CANCELLED_CHANNEL)
                    while True:
                        if message := await subscription.get_message(timeout=_MAX_IDLE_SECONDS):
                            self._on_message(message)
            await asyncio.sleep(_POLL_SECONDS)

    def _on_message(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":  # subscribed, perhaps again: some were missed
            self._wake()
            self.on_cancelled("")
        elif message["channel"] == CANCELLED_CHANNEL.encode():
            self.on_cancelled(message["data"].decode(errors="replace"))
        else:
            self._hear(message["data"])

    def _hear(self, data: bytes) -> None:
        kind, _, job_id = data.decode(errors="replace").partition(" ")
        if job_id and kind == self.kind:
            self.leave(job_id)  # without looking at it: it would be put back again
        else:
            self._wake()

    def _on_stop_signal(self, signum: signal.Signals) -> None:
        self._stopping = asyncio.create_task(self.stop())

    async def stop(self) -> None:
        """Cancel the main loop until it has ended.

        redis-py 5 swallows a cancellation that arrives while it waits for a reply; if it is not
        repeated, arq polls forever.
        """
        while self.main_task is not None and not self.main_task.done():
            self.main_task.cancel()
            await asyncio.wait({self.main_task}, timeout=0.2)

    async def close(self) -> None:
        """Close as arq does, even if a job was cancelled in its last step.

        Otherwise arq's own close raises CancelledError and leaves everything open.
        """
        if self._stopping is None:  # no signal handler has cancelled them: the main loop died
            for task in self.tasks.values():
                task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        self.tasks.clear()
        await super().close()

    async def _poll_iteration(self) -> None:
        self._woken.clear()
        try:
            await self._read_queue()
        except REDIS_ERRORS as error:
            if not self._redis_away:
                log.warning("redis_unavailable", reason=repr(error))
            self._redis_away = True
            await asyncio.sleep(_POLL_SECONDS)
        else:
            if self._redis_away:
                log.info("redis_available_again")
            self._redis_away = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MAX_IDLE_SECONDS):
                    await self._woken.wait()

    async def _read_queue(self) -> None:
        """Start what is first in the queue and may be started here, reading in bounded steps.

        One that moves up meanwhile may be passed over: until the next message, ten seconds at most.
        """
        self._queue_read_offset, self.queue_read_limit = 0, _FIRST_IDS
        self._unread = True  # a place that becomes free meanwhile is looked at afterwards
        self._heard = self._took_all = False
        while True:
            self._passed, self._read_on = 0, False
            await super()._poll_iteration()  # arq reads by these two, and calls ``start_jobs``
            if not self._read_on:
                self._unread = self._heard or not self._took_all
                return
            self._queue_read_offset += self._passed
            self.queue_read_limit = min(10 * self.queue_read_limit, _MOST_IDS)

    def _release_sem_dec_counter_on_complete(self) -> None:
        super()._release_sem_dec_counter_on_complete()
        self._look_again()

    def leave(self, job_id: str) -> None:
        """Never take that job again: it needs what this worker lacks."""
        self._left[job_id] = None
        if len(self._left) > _MAX_LEFT:
            del self._left[next(iter(self._left))]

    async def finish_job(self, job_id: str, finish: bool, *rest: Any) -> None:
        if finish:
            await super().finish_job(job_id, finish, *rest)
            return
        # It is put back to its place. If Redis is away, or this worker dies: the sweep finds it.
        with contextlib.suppress(*REDIS_ERRORS):
            await self.pool.zadd(self.queue_name, {job_id: self._scores[job_id]})
            message = f"{self.kind} {job_id}" if job_id in self._left else ""
            await self.pool.publish(QUEUED_CHANNEL, message)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        self._storing &= self.tasks.keys()
        only_short = False
        for encoded in job_ids:
            job_id = encoded.decode()
            if self.job_counter >= self.max_jobs:
                return
            needs_child = [
                name
                for name, job in self.tasks.items()
                if name not in self._storing and not job.done()
            ]
            if only_short := len(needs_child) >= self._usual_jobs:
                short = sum(map(is_short, needs_child))
                if not takes_short(len(needs_child), short, self._usual_jobs):
                    return
            about_to_be_put_back = job_id in self._scores
            too_long = only_short and not is_short(job_id)
            if job_id in self._left or about_to_be_put_back or too_long:
                self._passed += 1
            else:
                await self._start_job(job_id)
        far = only_short and self._queue_read_offset  # a short one behind those waits
        full = len(job_ids) == self.queue_read_limit
        self._read_on = full and not far
        self._took_all = not (full or self._passed or self._queue_read_offset)

    async def _start_job(self, job_id: str) -> None:
        """Take a job out of the queue and run it, unless another worker was first.

        arq leaves a job in its queue until it has ended, beside a mark that it is in progress: each
        worker would read all jobs in work whenever it looks for one that waits.
        """
        async with self.pool.pipeline(transaction=True) as pipe:
            pipe.zscore(self.queue_name, job_id)
            pipe.zrem(self.queue_name, job_id)
            score, _ = await pipe.execute()
        if score is None:
            return
        await self.sem.acquire()  # arq's count of its places; there is one
        self.job_counter += 1
        self._scores[job_id] = score
        self.tasks[job_id] = task = asyncio.create_task(self.run_job(job_id, int(score)))
        task.add_done_callback(partial(self._free_place, job_id))

    def _free_place(self, job_id: str, _: asyncio.Task[None]) -> None:
        del self._scores[job_id]
        self._release_sem_dec_counter_on_complete()
