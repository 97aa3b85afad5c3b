"""The files that a task needs: its original, and the picture of a watermark."""

from __future__ import annotations

from bson import ObjectId

from models.errors import OriginalGone
from models.operations.watermark import FIELD
from models.store.files.originals import Originals
from models.tasks.task import Task
from service.uploads.incoming_file import IncomingFile

Files = tuple[ObjectId, ObjectId | None]
"""The ids of the original and of the watermark's picture; None: there is none."""


async def store_files(
    originals: Originals,
    upload: IncomingFile,
    watermark: IncomingFile | None,
    owner: str,
    *,
    original_is_new: bool = False,
) -> Files:
    """Return both, stored; the same bytes are stored once for each owner.

    ``original_is_new``: probably, so that it is stored without looking for it first.

    Raises:
        StoreUnavailable: one may not be stored.
    """
    found = [
        await originals.find_or_store(
            each.file,
            each.name,
            each.sha256,
            owner,
            probably_new=original_is_new and each is upload,
        )
        for each in (upload, watermark)
        if each is not None
    ]
    return found[0], None if watermark is None else found[1]


async def find_files(originals: Originals, task: Task, ttl: float) -> Files:
    """Return those of an existing task, touched, so that they stay until it is open.

    ``ttl``: ORIGINAL_TTL, for the error.

    Raises:
        OriginalGone: one was deleted.
    """

    async def find(file_id: ObjectId, sha256: str, name: str) -> ObjectId:
        if await originals.touch(file_id):
            return file_id
        again = await originals.touch_by_hash(sha256, task.owner)
        if again is None:
            raise OriginalGone(
                f"{name} is no longer kept (ORIGINAL_TTL={ttl:g}); send it "
                "again, and it is worked at again",
                setting="ORIGINAL_TTL",
                limit=ttl,
                task_id=task.id,
            )
        return again

    original = await find(task.original_id, task.original_sha256, task.uploads[0].name)
    if task.watermark_id is None:
        return original, None
    sha256 = next(filter(None, (each.get("picture") for each in task.operations)))
    return original, await find(task.watermark_id, sha256, FIELD)
