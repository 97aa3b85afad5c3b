"""From a picture and what is wanted of it to a task, made once however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bson import ObjectId

from models import memory_estimate
from models.auth.visibility import View
from models.errors import BadParameter, OriginalGone
from models.images.inspect import Format, check_side
from models.networks.catalogue import Catalogue
from models.operations import Operation, fingerprint
from models.operations.steps import encoding, parts, sizes
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.tasks.filenames import result_names
from models.tasks.task import Task
from models.tasks.task import Upload as TaskUpload
from service.submissions.admission import Admission
from service.uploads.validation import Upload

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


@dataclass(frozen=True)
class _Wanted:
    """One submission that was judged good; ``mark`` is the fingerprint of what it asks for."""

    upload: Upload
    operations: Sequence[Operation]
    output: Format
    mark: str
    report: bool
    client: str
    owner: str

    @property
    def task_id(self) -> str:
        return self.mark[:32]


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
        owner: str = "",
    ) -> Task:
        """Return the owner's task for ``upload``: a new one, the running one, or the finished one.

        Results are written as the operations say, else as ``asked``, else as the upload came.
        With ``report`` the task carries what was measured, see ``workers.upscaler.quality_report``.

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
        need, fixed = memory_estimate.need(header, operations, output, self.catalogue, tile)
        memory_estimate.check(need, self.settings, fixed)
        mark = fingerprint(
            upload.sha256, operations, output, weights, self.settings.writing, report, owner
        )
        turn = self._turns.setdefault(mark, asyncio.Lock())
        async with turn:
            wanted = _Wanted(upload, operations, output, mark, report, client, owner)
            return await self._submit(wanted)

    async def again(self, task_id: str, view: View, client: str = "") -> bool:
        """Start a task in ``view`` anew that failed, was cancelled or lost its result.

        False if it is none of these, or there is none.

        Raises:
            OriginalGone: the picture is no longer kept.
            QueueFull: too much is open. StoreUnavailable: the ledger does not answer.
        """
        task = await self.store.tasks.get(task_id, view)
        if task is None or not task.again:
            return False
        original: ObjectId | None = task.original_id
        if not await self.store.originals.touch(task.original_id):
            original = await self.store.originals.take(task.original_sha256, task.owner)
        if original is None:
            raise OriginalGone(
                f"{task.uploads[0].name} is no longer kept (ORIGINAL_TTL="
                f"{self.settings.original_ttl:g}); send it again, and it is worked at again",
                setting="ORIGINAL_TTL",
                limit=self.settings.original_ttl,
                task_id=task_id,
            )
        await self.store.tasks.restore(task_id)
        return await self._begin(task, original, client)

    async def _begin(self, task: Task, original: ObjectId, client: str) -> bool:
        async with self.admission.turn(client) as turn:
            await self.store.events.again(task.id)
            if not await self.store.tasks.revive(task.id, original, client, turn):
                return False
        ring = await self.store.leases.next_ring(task.id)
        await self.queue.enqueue(task.id, ring, turn, task.created_at)
        return True

    async def _submit(self, wanted: _Wanted) -> Task:
        left = _TRIES
        while True:
            task = await self.store.tasks.get(wanted.task_id)
            if task is None:
                await self._create(wanted)
            else:
                await self._asked_again(task, wanted)
            task = await self.store.tasks.get(wanted.task_id)
            if task is None:
                raise RuntimeError(f"task {wanted.task_id} vanished while it was submitted")
            left -= 1
            if not task.lost or not left:
                return task

    async def _asked_again(self, task: Task, wanted: _Wanted) -> None:
        """Add the upload's name to a task that exists, and begin it anew if it has no result."""
        name = wanted.upload.name
        if self._is_new_name(task, name):
            await self._add_name(task.id, await self._named(wanted))
        names = task.upload(name).results
        if any(each.name in names for each in task.deleted):
            await self.store.tasks.restore(task.id, names)
        if task.again:
            await self._begin(task, await self._kept(wanted), wanted.client)

    async def _add_name(self, task_id: str, named: TaskUpload) -> None:
        await self.store.tasks.add_upload(task_id, named, self.settings.max_names_per_task)

    def _is_new_name(self, task: Task, name: str) -> bool:
        known = {upload.name for upload in task.uploads}
        return name not in known and len(known) < self.settings.max_names_per_task

    async def _create(self, wanted: _Wanted) -> None:
        async with self.admission.turn(wanted.client) as turn:
            original, named = await asyncio.gather(self._kept(wanted), self._named(wanted))
            created = await self.store.tasks.create(
                wanted.mark,
                original_id=original,
                original_sha256=wanted.upload.sha256,
                upload=named,
                operations=[operation.document() for operation in wanted.operations],
                output=wanted.output,
                report=wanted.report,
                owner=wanted.owner,
                client=wanted.client,
                turn=turn,
            )
        if not created:  # another service was faster; this upload's name counts all the same
            await self._add_name(wanted.task_id, named)
        elif not await self.queue.enqueue(wanted.task_id, 0, turn):
            # Redis is away: the task is accepted all the same, and the next sweep rings for it.
            await self.store.leases.unheard(wanted.task_id)

    async def _kept(self, wanted: _Wanted) -> ObjectId:
        """Return the id of the stored original; the same bytes are stored once for each owner."""
        upload, owner = wanted.upload, wanted.owner
        return await self.store.originals.keep(upload.file, upload.name, upload.sha256, owner)

    async def _named(self, wanted: _Wanted) -> TaskUpload:
        name, operations = wanted.upload.name, wanted.operations
        count = parts(operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        names = await self.store.names.reserve(
            [result_names(name, operations, wanted.output, wanted.mark, n) for n in numbers],
            wanted.task_id,
            wanted.owner,
        )
        return TaskUpload(name=name, results=names)
