"""TaskCreator: stores the original, creates the task, enqueues it; equal requests share a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from aiohttp import web

from models import animation, memory_estimate, work_estimate
from models.auth.visibility import View
from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Operation
from models.operations.fingerprint import fingerprint
from models.operations.steps import final_encoding, result_count
from models.redis.queue import Queue
from models.redis.rate_limiter import RateLimiter
from models.result_bytes import most_bytes
from models.settings import Settings
from models.store import Store
from models.tasks.filenames import result_names
from models.tasks.needs import Abilities
from models.tasks.task import Task, Work
from models.tasks.task import Upload as TaskUpload
from service.submissions.admission import Admission
from service.submissions.stored_files import Files, find_files, store_files
from service.uploads.incoming_file import IncomingFile

_MAX_NAMES = 100  # of one task: the same bytes under more names get the URL of the first
_MAX_TRIES = 5  # to restart a task whose result is deleted while it is submitted


@dataclass
class TaskSpec:
    """A valid image with the operations on it; ``fingerprint`` identifies the task.

    ``output``: the format of the results; ``most_bytes``: that all of them cannot exceed;
    ``work``: the predicted work; ``needs``: what a worker must have for it.
    ``report``: whether the task measures the quality of its result, see
    ``workers.upscaler.quality_report``. ``metadata``: what the results keep of it. ``watermark``:
    the picture that an operation lays over it.
    """

    upload: IncomingFile
    operations: Sequence[Operation]
    output: OutputFormat
    client: str
    owner: str
    report: bool = False
    metadata: MetadataChoice = "none"
    watermark: IncomingFile | None = None
    fingerprint: str = field(init=False)
    most_bytes: int = field(init=False)
    work: Work = field(init=False)
    needs: Abilities = field(init=False)

    @property
    def task_id(self) -> str:
        return self.fingerprint[:32]


@dataclass
class TaskCreator:
    """Creates, reuses and restarts tasks; one for each service."""

    settings: Settings
    catalogue: Catalogue
    store: Store
    queue: Queue
    admission: Admission
    rate_limiter: RateLimiter

    def __post_init__(self) -> None:
        # Of concurrent requests for the same task one stores the original; the others reuse it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find_or_create(self, spec: TaskSpec) -> Task:
        """Return the owner's task for an image: a new one, or the existing one.

        An existing task that failed or was cancelled is restarted. The same bytes under another
        name are the same task with a second name.

        Raises:
            BadParameter: a network is not available, or the image is too small for an operation.
            BadParameter, TooManyPixels: see ``models.animation.check``.
            TooMuchMemory: the task would need too much memory.
            TooLarge: the results would take too many bytes.
            TooMuchWork: the work would take too long.
            QueueFull: too many tasks are open. StoreUnavailable: nothing was accepted.
            InsufficientResources: the results would not fit on the disk.
        """
        operations, output, header = spec.operations, spec.output, spec.upload.header
        weights = [w for o in operations for w in o.weights(self.catalogue)]
        encoding, limits = final_encoding(operations, output), self.settings.uploads
        frames, sizes = animation.check(
            header, operations, encoding, limits.max_pixels, limits.max_output_pixels
        )
        sizes *= frames
        spec.most_bytes = most_bytes(header, operations, output, sizes, spec.metadata)
        parts = work_estimate.estimate(header, operations, output, sizes)
        prices = await self.store.measured_tasks.prices()
        spec.work = work_estimate.plan(parts, prices, self.settings.worker.task_timeout)
        tile = self.settings.networks.tile_pixels
        need, fixed = memory_estimate.estimate(header, operations, output, self.catalogue, tile)
        memory_estimate.check_fits(need, self.settings.worker, fixed)
        spec.fingerprint = fingerprint(
            spec.upload.sha256,
            operations,
            output,
            weights,
            self.settings.encoding.encoder_settings,
            spec.report,
            spec.owner,
            spec.metadata,
            self.settings.networks.upscale_precision,
        )
        size = (header.width, header.height)
        spec.needs = Abilities.for_task(
            self.settings,
            output,
            weights,
            size,
            sizes,
            header.kind,
            frames,
            spec.watermark is not None,
        )
        lock = self._locks.setdefault(spec.fingerprint, asyncio.Lock())
        async with lock:
            return await self._create_or_reuse(spec)

    async def retry(self, task_id: str, view: View, client: str = "") -> bool:
        """Restart a task in ``view`` that failed, was cancelled or lost its result.

        Return False if it is in another state, or does not exist.

        Raises:
            OriginalGone: the original was deleted.
            QueueFull: too many tasks are open. StoreUnavailable: the ledger does not answer.
        """
        task = await self.store.tasks.get(task_id, view)
        if task is None or not task.restartable:
            return False
        files = await find_files(self.store.originals, task, self.settings.retention.original_ttl)
        await self.store.tasks.restore_deleted(task_id)
        return await self._restart(task, files, client)

    async def _restart(self, task: Task, files: Files, client: str) -> bool:
        async with self.admission.admit(
            client, task.format, task.most_result_bytes, task.work.turns
        ) as order:
            original, watermark = files
            await self.store.webhooks.rearm(task.id, self._allows_webhook)
            if not await self.store.tasks.restart(task.id, original, client, order, watermark):
                return False
        number = await self.store.leases.next_enqueue_number(task.id)
        await self.queue.enqueue(task.id, number, order, task.created_at, short=task.work.short)
        return True

    async def _allows_webhook(self, client: str) -> bool:
        """Count a webhook of a restarted task, apart from those that its client requests."""
        state = await self.rate_limiter.hit("WEBHOOKS_PER_CLIENT", f"again:{client}")
        return state is None or state.allowed

    async def _create_or_reuse(self, spec: TaskSpec) -> Task:
        task: Task | None = None
        for _ in range(_MAX_TRIES):
            originals, sha256 = self.store.originals, spec.upload.sha256
            task, stored = await originals.find_with_task(spec.task_id, sha256, spec.owner)
            if task is None:
                task = await self._create(spec, original_is_new=not stored)
            else:
                changed = await self._reuse(task, spec)
                # An answer that rests on no write of its own rests on a read that is as certain.
                get = self.store.tasks.get if changed else self.store.tasks.get_latest
                task = await get(spec.task_id)
            if task is not None and not task.results_lost:
                return task
        if task is None:
            raise RuntimeError(f"task {spec.task_id} vanished while it was submitted")
        return task

    async def _reuse(self, task: Task, spec: TaskSpec) -> bool:
        """Add the upload's name to an existing task, and restart the task if it has no result.

        Return whether either changed the task.
        """
        changed = False
        name, known = spec.upload.name, {upload.name for upload in task.uploads}
        if name not in known and len(known) < _MAX_NAMES:
            upload = await self._reserve_names(spec)
            changed = await self.store.tasks.add_upload(task.id, upload, _MAX_NAMES)
        names = task.upload(name).results
        was_deleted = any(each.name in names for each in task.deleted)
        if was_deleted:
            await self.store.tasks.restore_deleted(task.id, names)
        if task.restartable:
            changed |= await self._restart(task, await self._store_files(spec), spec.client)
        return changed

    async def _create(self, spec: TaskSpec, *, original_is_new: bool) -> Task | None:
        """Return the new task; None if another service was faster: the next try finds its task."""
        async with self.admission.admit(
            spec.client, spec.output, spec.most_bytes, spec.work.turns
        ) as order:
            (original, watermark), upload = await asyncio.gather(
                self._store_files(spec, original_is_new=original_is_new),
                self._reserve_names(spec),
            )
            created = await self.store.tasks.create(
                spec.fingerprint,
                original_id=original,
                original_sha256=spec.upload.sha256,
                upload=upload,
                operations=[operation.document() for operation in spec.operations],
                output=spec.output,
                most_result_bytes=spec.most_bytes,
                work=spec.work,
                needs=spec.needs,
                report=spec.report,
                metadata=spec.metadata,
                watermark_id=watermark,
                owner=spec.owner,
                client=spec.client,
                turn=order,
            )
        if created is None:
            return None
        now = self.store.clock.now()
        if not await self.queue.enqueue(spec.task_id, 0, order, now, short=spec.work.short):
            # Redis is unavailable: the task is accepted, and the next sweep enqueues it.
            await self.store.leases.mark_not_enqueued(spec.task_id)
        return created

    async def _store_files(self, spec: TaskSpec, *, original_is_new: bool = False) -> Files:
        given = spec.upload, spec.watermark, spec.owner
        return await store_files(self.store.originals, *given, original_is_new=original_is_new)

    async def _reserve_names(self, spec: TaskSpec) -> TaskUpload:
        """Return the upload's name with result names that no other task of the owner has."""
        name, operations = spec.upload.name, spec.operations
        count = result_count(operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        names = await self.store.result_names.reserve(
            [result_names(name, operations, spec.output, spec.fingerprint, n) for n in numbers],
            spec.task_id,
            spec.owner,
        )
        return TaskUpload(name=name, results=names)


TASK_CREATOR = web.AppKey("task_creator", TaskCreator)
