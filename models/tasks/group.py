"""A group: the pictures of one submission, each with its task or its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.tasks.task import Status, Task

LOST = {"code": "not_found", "detail": "its task is no longer stored"}
"""The error of a picture whose task was deleted."""


class Member(BaseModel):
    """One picture: it has a ``task_id``, or an ``error`` if it was refused on arrival."""

    name: str
    task_id: str | None = None
    error: dict[str, Any] | None = None


class Group(BaseModel):
    """Pictures that were submitted together.

    ``email``: address that the archive may be sent to; ``owner``: see ``models.auth.visibility``.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id")
    members: list[Member]
    email: str | None = None
    owner: str = ""
    created_at: datetime

    @classmethod
    def of_one(cls, task: Task) -> Group:
        """Return the group of a single task."""
        member = Member(name=task.uploads[0].name, task_id=task.id)
        return cls(id=task.id, members=[member], owner=task.owner, created_at=task.created_at)

    @property
    def task_ids(self) -> list[str]:
        """The ids of its tasks without duplicates."""
        return list(dict.fromkeys(m.task_id for m in self.members if m.task_id))


@dataclass(frozen=True)
class GroupProgress:
    """Progress of a group: counts of its members; ``progress`` in percent."""

    status: Status
    total: int
    done: int
    failed: int
    progress: int

    @property
    def ended(self) -> bool:
        return self.done == self.total


def group_progress(group: Group, tasks: Mapping[str, Task]) -> GroupProgress:
    """Return the progress of ``group``, given its tasks by id.

    The status is SUCCESS when all tasks succeeded, FAILURE when all ended and some did not succeed.
    Running tasks count by their progress.
    """
    found = [tasks.get(member.task_id) if member.task_id else None for member in group.members]
    ended = [task is None or task.ended for task in found]
    failed = sum(
        task is None or (task.ended and task.status is not Status.SUCCESS) for task in found
    )
    shares = [
        1.0 if over or task is None else task.progress / 100
        for task, over in zip(found, ended, strict=True)
    ]
    total, done = len(found), sum(ended)
    if done == total:
        status = Status.FAILURE if failed else Status.SUCCESS
    elif any(task and task.started_at for task in found):
        status = Status.STARTED
    else:
        status = Status.CREATED
    return GroupProgress(
        status=status,
        total=total,
        done=done,
        failed=failed,
        progress=int(100 * sum(shares) / total) if total else 100,
    )
