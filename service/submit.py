"""From a picture and what is wanted of it to a task, made once however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bson import ObjectId

from models import memory
from models.catalogue import Catalogue
from models.errors import BadParameter
from models.image import Format, check_side
from models.names import result_names
from models.operations import Operation, fingerprint
from models.operations.pipeline import encoding, parts, sizes
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from models.task import AGAIN, Task
from models.task import Upload as TaskUpload
from service.admission import Admission
from service.judge import Upload


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
    admission: Admission

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
        client: str = "",
    ) -> Task:
        """Return the task for ``upload``: a new one, the running one, or the finished one.

        Results are written as the operations say, else as ``asked``, else as the upload came.
        With ``report`` the task carries what was measured, see ``workers.upscaler.report``.

        A failed or cancelled one is started anew. The same bytes under another name are the same
        task with a second name.

        Raises:
            BadParameter: a network that is not at hand, or something the picture is too small for.
            TooManyPixels: the result would be too large. TooMuchMemory: so would the work.
            QueueFull: too much is open. StoreUnavailable: nothing was accepted.
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
            return await self._submit(upload, operations, output, mark, report, client)

    async def again(self, task_id: str, client: str = "") -> bool:
        """Start a failed or cancelled task anew; False if it is neither, or there is none.

        Raises:
            QueueFull: too much is open. StoreUnavailable: the ledger does not answer.
        """
        task = await self.store.tasks.get(task_id)
        if task is None or task.status not in AGAIN:
            return False
        async with self.admission.turn(client) as turn:
            if not await self.store.tasks.revive(task_id, client, turn):
                return False
        ring = await self.store.leases.next_ring(task_id)
        await self.queue.ring(task_id, ring, turn, task.created_at)
        return True

    async def _submit(
        self,
        upload: Upload,
        operations: Sequence[Operation],
        output: Format,
        mark: str,
        report: bool,
        client: str,
    ) -> Task:
        task_id = mark[:32]
        task = await self.store.tasks.get(task_id)
        if task is None:
            await self._create(upload, operations, output, mark, report, client)
        elif self._is_new_name(task, upload.name):
            named = await self._named(upload, operations, output, mark)
            await self.store.tasks.add_upload(task_id, named, self.settings.max_names_per_task)
        if task is not None and task.status in AGAIN:
            await self.again(task_id, client)
        task = await self.store.tasks.get(task_id)
        if task is None:
            raise RuntimeError(f"task {task_id} vanished while it was submitted")
        return task

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
        client: str,
    ) -> None:
        async with self.admission.turn(client) as turn:
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
                client=client,
                turn=turn,
            )
        if created:
            # If Redis is away the task is accepted all the same: the sweep rings for it.
            await self.queue.ring(mark[:32], 0, turn)
        else:  # another service was faster; this upload's name counts all the same
            await self.store.tasks.add_upload(mark[:32], named, self.settings.max_names_per_task)

    async def _kept(self, upload: Upload) -> ObjectId:
        """Return the id of the stored original; the same bytes are stored once."""
        known = await self.store.originals.find(upload.sha256)
        if known is not None:
            return known
        upload.file.seek(0)
        metadata = {"key": upload.sha256}
        return await self.store.originals.put(upload.file, upload.name, metadata)

    async def _named(
        self, upload: Upload, operations: Sequence[Operation], output: Format, mark: str
    ) -> TaskUpload:
        count = parts(operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        wanted = [result_names(upload.name, operations, output, mark, n) for n in numbers]
        names = await self.store.names.reserve(wanted, mark[:32])
        return TaskUpload(name=upload.name, results=names)
