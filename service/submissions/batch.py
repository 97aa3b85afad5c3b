"""Several pictures in one submission: each becomes a task or a refusal, together a group."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.errors import AppError, StoreUnavailable
from models.images.inspect import Format
from models.operations import Operation
from models.store import Store
from models.tasks.group import Group, Member
from models.tasks.task import Task
from service.submissions.submit import Submitter, check_results
from service.uploads.validation import Refused, Upload


@dataclass
class Batch:
    """What became of the pictures of one request, in their order."""

    members: list[Member] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    errors: list[AppError] = field(default_factory=list)

    @property
    def first(self) -> tuple[Task, str]:
        """Return the task of the first picture and the picture's name."""
        member = next(m for m in self.members if m.task_id)
        return self.tasks[member.task_id or ""], member.name


async def submit(
    submitter: Submitter,
    pictures: Sequence[Upload | Refused],
    operations: Sequence[Operation],
    asked: Format | None,
    *,
    report: bool = False,
    client: str = "",
    owner: str = "",
) -> Batch:
    """Submit every picture; one that is refused fails alone, unless all are.

    ``asked``: the format of the results, where the operations do not say; None: as each came.

    Raises:
        BadParameter: too many results would be made.
        AppError: every picture was refused: the first one's error, with all listed.
        StoreUnavailable: the store is away; sending everything again does nothing twice.
    """
    check_results(operations, len(pictures), submitter.settings)
    batch = Batch()
    for picture in pictures:
        try:
            if isinstance(picture, Refused):
                raise picture.error
            task = await submitter.submit(
                picture, operations, asked, report=report, client=client, owner=owner
            )
        except StoreUnavailable:
            raise
        except AppError as error:
            batch.errors.append(error)
            batch.members.append(Member(name=picture.name, error=error.document()))
        else:
            batch.tasks[task.id] = task
            batch.members.append(Member(name=picture.name, task_id=task.id))
    if not batch.tasks:
        first = batch.errors[0]
        if len(batch.errors) > 1:
            first.facts["refused"] = [
                {"name": member.name, **(member.error or {})} for member in batch.members
            ]
        raise first
    return batch


async def keep(
    store: Store, batch: Batch, email: str | None, owner: str
) -> tuple[Group, dict[str, Task]]:
    """Keep the pictures of ``batch`` as a group of ``owner`` and return it with its tasks.

    The same pictures again are the same group. One with an address is a group of its own under an
    id that nobody can guess: who knows a picture must not learn or use who else sent it.
    """
    group_id = secrets.token_hex(16) if email else _mark(batch.members, owner)
    await store.groups.create(group_id, batch.members, email, owner)
    found = await store.groups.find(group_id)
    if found is None:
        raise RuntimeError(f"group {group_id} vanished while it was submitted")
    return found


def _mark(members: Sequence[Member], owner: str) -> str:
    manifest = [[m.task_id, m.name, (m.error or {}).get("code")] for m in members]
    return hashlib.sha256(
        json.dumps(["group", manifest, *filter(None, [owner])]).encode()
    ).hexdigest()[:32]
