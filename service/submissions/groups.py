"""Groups: the images of one submission, or the tasks that POST /groups names in its JSON body."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from models.errors import BadRequest, NotFound
from models.settings import Settings
from models.store import Store
from models.tasks.group import Group, Member
from models.tasks.task import Task
from service.http.request_body import check_limit, validate

_EXAMPLE = '{"tasks": ["<task_id>", {"task_id": "...", "name": "cat.png"}]}'


class GroupMemberRequest(BaseModel):
    """A task; ``name``: which of its upload names to use, by default the first."""

    model_config = ConfigDict(extra="forbid")
    task_id: str = Field(max_length=64)
    name: str | None = Field(None, max_length=400)


class GroupRequest(BaseModel):
    """The tasks of the new group, in order; ``email``: where its archive may be sent.

    ``callback_url`` is called when all of them have ended.
    """

    model_config = ConfigDict(extra="forbid")
    tasks: Annotated[list[str | GroupMemberRequest], FailFast()] = Field(min_length=1)
    email: str | None = None
    callback_url: str | None = None

    @property
    def members(self) -> list[GroupMemberRequest]:
        """The tasks without duplicates of the same name."""
        every = [
            GroupMemberRequest(task_id=t[:64]) if isinstance(t, str) else t for t in self.tasks
        ]
        return list({(each.task_id, each.name): each for each in every}.values())


def read_group_request(document: Any, settings: Settings) -> GroupRequest:
    """Return ``document`` as a group request.

    Raises:
        BadRequest: it is malformed. BadParameter: it has more tasks than MAX_GROUP.
    """
    tasks = document.get("tasks") if isinstance(document, dict) else None
    if isinstance(tasks, list):  # before each of them is validated
        check_limit(len(tasks), settings.uploads.max_group, "tasks", "MAX_GROUP")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which MongoDB cannot store
        raise BadRequest(f"a text in it is not valid Unicode; send {_EXAMPLE}") from None
    return validate(GroupRequest, document, _EXAMPLE)


def group_members(
    group: GroupRequest, tasks: Mapping[str, Task], settings: Settings
) -> list[Member]:
    """Return the members of the group that ``group`` requests.

    Raises:
        NotFound: a task does not exist.
        BadParameter: together they have more results than MAX_BATCH_RESULTS.
    """
    missing = [each.task_id for each in group.members if each.task_id not in tasks]
    if missing:
        raise NotFound(
            f"{len(missing)} of the {len(group.tasks)} tasks do not exist; the first of them "
            f"is {missing[0][:40]!a}"
        )
    found = [(tasks[each.task_id], each.name) for each in group.members]
    uploads = [(task, task.upload(name)) for task, name in found]
    results = sum(len(upload.results) for _, upload in uploads)
    check_limit(results, settings.uploads.max_batch_results, "results", "MAX_BATCH_RESULTS")
    return [Member(name=upload.name, task_id=task.id) for task, upload in uploads]


async def create_group(
    store: Store, members: Sequence[Member], email: str | None, owner: str
) -> tuple[Group, dict[str, Task]]:
    """Store ``members`` as a group of ``owner`` and return it with its tasks.

    Equal members make the same group. A group with an e-mail address gets an unguessable ID of its
    own: a client that knows an image must not learn or use the address of another one.
    """
    group_id = secrets.token_hex(16) if email else _group_id(members, owner)
    await store.groups.create(group_id, list(members), email, owner)
    found = await store.groups.find(group_id)
    if found is None:
        raise RuntimeError(f"group {group_id} vanished while it was submitted")
    return found


def _group_id(members: Sequence[Member], owner: str) -> str:
    manifest = [[m.task_id, m.name, (m.error or {}).get("code")] for m in members]
    return hashlib.sha256(
        json.dumps(["group", manifest, *filter(None, [owner])]).encode()
    ).hexdigest()[:32]
