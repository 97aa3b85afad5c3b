"""From a picture and what is wanted of it to a task, made once however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bson import ObjectId

from models import memory
from models.catalogue import Catalogue
from models.errors import BadParameter, OriginalGone
from models.image import Format, check_side
from models.names import result_names
from models.operations import Operation, fingerprint
from models.operations.pipeline import encoding, parts, sizes
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from models.task import Task
from models.task import Upload as TaskUpload
from service.upload import Upload

_TRIES = 5  # times a task is begun anew whose result goes while it is submitted


def check_results(operations: Sequence[Operation], pictures: int, settings: Settings) -> None:
    """Refuse a submission of ``pictures`` that would make too many results.

    Raises:
        BadParameter: more than MAX_RESULTS of each picture, or MAX_BATCH_RESULTS of several.
    """
    each = parts(operations)
    if each > settings.max_results:
        raise BadParameter(
            f"the operations make {each} results of each picture; at most "
            f"{settings.max_results} are allowed (MAX_RESULTS)",
            setting="MAX_RESULTS",
            limit=settings.max_results,
            measured=each,
        )
    limit = settings.max_batch_results
    if pictures > 1 and each * pictures > limit:
        raise BadParameter(
            f"{pictures} pictures would make {each * pictures} results; at most {limit} are "
            "allowed of one submission (MAX_BATCH_RESULTS): send fewer pictures in each",
            setting="MAX_BATCH_RESULTS",
            limit=limit,
            measured=each * pictures,
        )


@dataclass
class Submitter:
    """Makes tasks of uploads."""

    settings: Settings
    catalogue: Catalogue
    store: Store
    queue: Queue

    def __post_init__(self) -> None:
        # Of many requests at once for the same task one stores the original; the others find it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def submit(
        self,
        upload: Upload,
        operations: Sequence[Operation],
        asked: Format | None = None,
        *,
        report: bool = False,
    ) -> Task:
        """Return the task for ``upload``: a new one, the running one, or the finished one.

        Results are written as the operations say, else as ``asked``, else as the upload came.
        With ``report`` the task carries what was measured, see ``workers.upscaler.report``.

        A failed or cancelled one is started anew. The same bytes under another name are the same
        task with a second name.

        Raises:
            BadParameter: a network that is not at hand, or something the picture is too small for.
            TooManyPixels: the result would be too large. TooMuchMemory: so would the work.
            StoreUnavailable: nothing was accepted.
        """
        output = encoding(operations, asked or upload.header.format).format
        weights = [w for o in operations if (w := o.weights(self.catalogue)) is not None]
        header = upload.header
        check_results(operations, 1, self.settings)
        for size in sizes(
            operations, (header.width, header.height), self.settings.max_output_pixels
        ):
            check_side(*size, output)
        tile = self.settings.tile_pixels
        need, fixed = memory.need(header, operations, output, self.catalogue, tile)
        memory.check(need, self.settings, fixed)
        mark = fingerprint(
            upload.sha256, operations, output, weights, self.settings.writing, report
        )
        turn = self._turns.setdefault(mark, asyncio.Lock())
        async with turn:
            return await self._submit(upload, operations, output, mark, report)

    async def again(self, task_id: str) -> bool:
        """Start a task anew that failed, was cancelled or lost its result, under all its names.

        False if it is none of these, or there is none.

        Raises:
            OriginalGone: the picture is no longer kept.
            StoreUnavailable: the ledger does not answer.
        """
        task = await self.store.tasks.get(task_id)
        if task is None or not task.again:
            return False
        original: ObjectId | None = task.original_id
        if not await self.store.originals.touch(task.original_id):
            original = await self.store.originals.take(task.original_sha256)
        if original is None:
            raise OriginalGone(
                f"{task.uploads[0].name} is no longer kept (ORIGINAL_TTL="
                f"{self.settings.original_ttl:g}); send it again, and it is worked at again",
                setting="ORIGINAL_TTL",
                limit=self.settings.original_ttl,
                task_id=task_id,
            )
        await self.store.tasks.restore(task_id)
        return await self._begin(task_id, original)

    async def _begin(self, task_id: str, original: ObjectId) -> bool:
        if not await self.store.tasks.revive(task_id, original):
            return False
        await self.queue.ring(task_id, await self.store.leases.next_ring(task_id))
        return True

    async def _submit(
        self,
        upload: Upload,
        operations: Sequence[Operation],
        output: Format,
        mark: str,
        report: bool,
    ) -> Task:
        task_id = mark[:32]
        left = _TRIES
        while True:
            task = await self.store.tasks.get(task_id)
            if task is None:
                await self._create(upload, operations, output, mark, report)
            else:
                await self._asked_again(task, upload, operations, output)
            task = await self.store.tasks.get(task_id)
            if task is None:
                raise RuntimeError(f"task {task_id} vanished while it was submitted")
            left -= 1
            if not task.lost or not left:
                return task

    async def _asked_again(
        self, task: Task, upload: Upload, operations: Sequence[Operation], output: Format
    ) -> None:
        """Add the upload's name to a task that exists, and begin it anew if it has no result."""
        if self._is_new_name(task, upload.name):
            named = await self._named(upload, operations, output, task.fingerprint)
            await self.store.tasks.add_upload(task.id, named, self.settings.max_names_per_task)
        names = task.upload(upload.name).results
        if any(each.name in names for each in task.deleted):
            await self.store.tasks.restore(task.id, names)
        if task.again:
            await self._begin(task.id, await self._kept(upload))

    def _is_new_name(self, task: Task, name: str) -> bool:
        known = {upload.name for upload in task.uploads}
        return name not in known and len(known) < self.settings.max_names_per_task

    async def _create(
        self,
        upload: Upload,
        operations: Sequence[Operation],
        output: Format,
        mark: str,
        report: bool,
    ) -> None:
        original, named = await asyncio.gather(
            self._kept(upload), self._named(upload, operations, output, mark)
        )
        created = await self.store.tasks.create(
            mark,
            original_id=original,
            original_sha256=upload.sha256,
            upload=named,
            operations=[operation.document() for operation in operations],
            output=output,
            report=report,
        )
        if created:
            # If Redis is away the task is accepted all the same: the sweep rings for it.
            await self.queue.ring(mark[:32], 0)
        else:  # another service was faster; this upload's name counts all the same
            await self.store.tasks.add_upload(mark[:32], named, self.settings.max_names_per_task)

    async def _kept(self, upload: Upload) -> ObjectId:
        """Return the id of the stored original; the same bytes are stored once."""
        return await self.store.originals.keep(upload.file, upload.name, upload.sha256)

    async def _named(
        self, upload: Upload, operations: Sequence[Operation], output: Format, mark: str
    ) -> TaskUpload:
        count = parts(operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        wanted = [result_names(upload.name, operations, output, mark, n) for n in numbers]
        names = await self.store.names.reserve(wanted, mark[:32])
        return TaskUpload(name=upload.name, results=names)
