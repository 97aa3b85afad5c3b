"""Creation of a group: the images of one submission, or tasks that were submitted one by one."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence

from models.store import Store
from models.tasks.group import Group, Member
from models.tasks.task import Task


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
